// SPDX-License-Identifier: Apache-2.0
//
// The file has for each limit the times of what counts, oldest first; those that are too old for
// any limit are dropped whenever it is read. A file that cannot be read counts for nothing: the
// authority's own count remains.
#include "acme/quota.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acme/account.h"
#include "acme/json.h"
#include "acme/registered_domain.h"
#include "acme/schedule.h"
#include "acme/storage.h"
#include "core/log.h"

#define HOUR_S 3600

struct limit {
    const char *key; // in the file
    size_t count;
    time_t within_s;
    const char *what;
    const char *advice; // NULL: none
};

// Let's Encrypt's (letsencrypt.org/docs/rate-limits). They count what others order for the same
// domain as well, which only they know.
static const struct limit orders = {"orders", 300, 3 * HOUR_S, "orders within three hours", NULL};
static const struct limit failures = {"failures", 5, HOUR_S, "failed proofs within an hour", NULL};
static const struct limit certificates = {
    "certificates", 5, 7 * 24 * HOUR_S, "certificates for exactly these names within a week", NULL};
static const struct limit domains = {
    "domains", 50, 7 * 24 * HOUR_S, "certificates for one registered domain within a week",
    "a site and its aliases share one certificate, and so do all names under a wildcard"};

// Takes out what is too old to count, or was counted with a clock that was ahead, and subjects with
// nothing left.
static void limit_prune(const struct limit *limit, json_t *counts) {
    json_t *subjects = json_object_get(counts, limit->key), *times;
    const char *subject;
    void *next;
    time_t now = time(NULL);
    json_object_foreach_safe(subjects, next, subject, times) {
        for (size_t i = json_array_size(times); i-- > 0;) {
            json_int_t when = json_integer_value(json_array_get(times, i));
            if (when <= (json_int_t)(now - limit->within_s) ||
                when > (json_int_t)(now + ACME_CLOCK_SLACK_S))
                json_array_remove(times, i);
        }
        if (json_array_size(times) == 0)
            json_object_del(subjects, subject);
    }
}

// What counts now; the caller drops it. NULL: no memory.
static json_t *counts_read(const struct conf_acme *acme, const struct conf_authority *authority) {
    char path[PATH_MAX];
    acme_account_path(acme, authority, ".limits", path);
    json_t *counts = acme_storage_read_json(path);
    limit_prune(&orders, counts);
    limit_prune(&failures, counts);
    limit_prune(&certificates, counts);
    limit_prune(&domains, counts);
    return counts ? counts : json_object();
}

// The names, sorted and in one line; the caller frees it. NULL: no memory.
static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *names_join(const struct conf_site *site) {
    const char **names = calloc(site->acme_host_count, sizeof *names);
    char *text = NULL;
    size_t size = 0;
    FILE *out = names ? open_memstream(&text, &size) : NULL;
    if (out) {
        memcpy(names, site->acme_hosts, site->acme_host_count * sizeof *names);
        qsort(names, site->acme_host_count, sizeof *names, compare_names);
        for (size_t i = 0; i < site->acme_host_count; i++)
            fprintf(out, "%s%s", i > 0 ? " " : "", names[i]);
        fclose(out);
    }
    free(names);
    return text;
}

// --- checking ---------------------------------------------------------------------------------

// When the limit lets another one happen; 0: now.
static time_t free_at(const struct limit *limit, const json_t *counts, const char *subject) {
    const json_t *times = acme_json_array(json_object_get(counts, limit->key), subject);
    size_t size = json_array_size(times);
    if (size < limit->count)
        return 0;
    // One more is allowed once the first of the last `count` is old enough.
    json_int_t first = json_integer_value(json_array_get(times, size - limit->count));
    time_t when = (time_t)first + limit->within_s;
    return when > time(NULL) ? when : 0;
}

static int limit_check(const struct limit *limit, const json_t *counts, const char *subject,
                       enum acme_trouble trouble, struct acme_error *error) {
    time_t when = free_at(limit, counts, subject);
    if (when == 0)
        return 0;
    acme_error_set(error, trouble, -EAGAIN,
                   "%s: held back before the authority's limit of %zu %s is exceeded", subject,
                   limit->count, limit->what);
    if (limit->advice)
        acme_error_advise(error, "%s", limit->advice);
    error->retry_after_s = (unsigned)(when - time(NULL));
    return -EAGAIN;
}

// A certificate for the same names may have come for a key of the other kind.
static bool is_for_new_names(enum acme_renewal renewal, const json_t *counts, const char *names) {
    return renewal == ACME_RENEWAL_NONE &&
           json_array_size(acme_json_array(json_object_get(counts, certificates.key), names)) == 0;
}

static int domains_check(const json_t *counts, const struct conf_site *site,
                         struct acme_error *error) {
    json_t *list = acme_registered_domains(site->acme_hosts, site->acme_host_count), *one;
    size_t place;
    int result = 0;
    json_array_foreach(list, place, one) {
        if (result == 0)
            result =
                limit_check(&domains, counts, json_string_value(one), ACME_TROUBLE_HELD, error);
    }
    json_decref(list);
    return result;
}

int acme_quota_check(const struct conf_acme *acme, const struct conf_authority *authority,
                     const struct conf_site *site, enum acme_renewal renewal,
                     struct acme_error *error) {
    int result = 0;
    if (!authority->limited)
        return 0;
    json_t *counts = counts_read(acme, authority);
    char *names = names_join(site);
    bool is_new = names && is_for_new_names(renewal, counts, names);
    if (is_new)
        result = limit_check(&orders, counts, "this account", ACME_TROUBLE_HELD, error);
    for (size_t i = 0; result == 0 && i < site->acme_host_count; i++)
        result = limit_check(&failures, counts, site->acme_hosts[i], ACME_TROUBLE_PAUSED, error);
    if (result == 0 && names && renewal != ACME_RENEWAL_SUGGESTED)
        result = limit_check(&certificates, counts, names, ACME_TROUBLE_HELD, error);
    if (result == 0 && is_new)
        result = domains_check(counts, site, error);
    free(names);
    json_decref(counts);
    return result;
}

// --- counting ---------------------------------------------------------------------------------

static void count(json_t *counts, const struct limit *limit, const char *subject) {
    json_t *subjects = json_object_get(counts, limit->key);
    if (!json_is_object(subjects)) {
        subjects = json_object();
        json_object_set_new(counts, limit->key, subjects);
    }
    json_t *times = json_object_get(subjects, subject);
    if (!json_is_array(times)) {
        times = json_array();
        json_object_set_new(subjects, subject, times);
    }
    json_array_append_new(times, json_integer((json_int_t)time(NULL)));
}

// Drops `counts`.
static void counts_write(const struct conf_acme *acme, const struct conf_authority *authority,
                         json_t *counts) {
    char path[PATH_MAX];
    struct acme_error error;
    acme_account_path(acme, authority, ".limits", path);
    if (acme_storage_write_json(path, counts, &error) < 0)
        log_line(LOG_WARN, NULL, "acme: %s; the authority's limits are not counted", error.text);
}

void acme_quota_count_order(const struct conf_acme *acme, const struct conf_authority *authority,
                            const struct conf_site *site, enum acme_renewal renewal) {
    if (!authority->limited)
        return;
    json_t *counts = counts_read(acme, authority);
    char *names = names_join(site);
    if (names && is_for_new_names(renewal, counts, names))
        count(counts, &orders, "this account");
    free(names);
    counts_write(acme, authority, counts);
}

void acme_quota_count_failure(const struct conf_acme *acme, const struct conf_authority *authority,
                              const char *name) {
    if (!authority->limited)
        return;
    json_t *counts = counts_read(acme, authority);
    count(counts, &failures, name);
    counts_write(acme, authority, counts);
}

void acme_quota_count_certificate(const struct conf_acme *acme,
                                  const struct conf_authority *authority,
                                  const struct conf_site *site, enum acme_renewal renewal) {
    if (!authority->limited || renewal == ACME_RENEWAL_SUGGESTED)
        return;
    json_t *counts = counts_read(acme, authority), *list, *one;
    char *names = names_join(site);
    size_t place;
    if (names && is_for_new_names(renewal, counts, names)) {
        list = acme_registered_domains(site->acme_hosts, site->acme_host_count);
        json_array_foreach(list, place, one) {
            count(counts, &domains, json_string_value(one));
        }
        json_decref(list);
    }
    if (names)
        count(counts, &certificates, names);
    free(names);
    counts_write(acme, authority, counts);
}
