// SPDX-License-Identifier: Apache-2.0
#include "acme/attempt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "acme/account.h"
#include "acme/challenge.h"
#include "acme/quota.h"
#include "acme/order.h"
#include "acme/record.h"
#include "acme/schedule.h"
#include "core/log.h"

// While a site has a good certificate another authority can wait for this many failures in a row.
#define FALLBACK_FAILURES 3
// After this many the staging server is tried first.
#define TRIAL_FAILURES 3

// After a new certificate, at most.
#define HELD_MAX_S (24 * 3600)
// When the authority cannot be reached.
#define WINDOW_RETRY_S 3600

// What an attempt knows from the beginning on.
struct attempt {
    struct acme_session *session;
    const struct config *config;
    const struct conf_acme *acme;
    const struct conf_managed *managed;
    struct acme_record record; // as it was before
    const char *profile;       // that the authority was asked for last
    struct acme_error *error;
};

static int obtain(struct attempt *attempt, const struct conf_authority **from);
static void outcome_record(const struct attempt *attempt, const struct conf_authority *from,
                           int result, time_t *held_until);

int acme_attempt(struct acme_session *session, const struct config *config,
                 const struct conf_managed *managed, time_t *held_until, struct acme_error *error) {
    struct attempt attempt = {.session = session,
                              .config = config,
                              .acme = session->acme,
                              .managed = managed,
                              .error = error};
    const struct conf_authority *from;
    acme_record_read(session->acme, managed, &attempt.record);
    int result = obtain(&attempt, &from);
    if (result == 0 || error->trouble != ACME_TROUBLE_STOPPED)
        outcome_record(&attempt, from, result, held_until);
    acme_record_free(&attempt.record);
    return result;
}

// --- getting it -------------------------------------------------------------------------------

static int obtain_from(struct attempt *attempt, const struct conf_authority *authority);
static bool may_fall_back(const struct attempt *attempt);

// Asks the first authority, then the second.
static int obtain(struct attempt *attempt, const struct conf_authority **from) {
    struct acme_error *error = attempt->error;
    *from = &attempt->acme->authority;
    int result = obtain_from(attempt, *from);
    if (result == 0 || !may_fall_back(attempt))
        return result;
    struct acme_error first = *error;
    *from = &attempt->acme->fallback;
    log_line(LOG_WARN, NULL, "acme: %s: %s; trying %s", attempt->managed->name, first.text,
             (*from)->directory);
    result = obtain_from(attempt, *from);
    if (result < 0 && error->trouble != ACME_TROUBLE_STOPPED) {
        acme_error_advise(&first, "the fallback: %s", error->text);
        *error = first;
    }
    return result;
}

// Not for what another authority would meet as well.
static bool may_fall_back(const struct attempt *attempt) {
    switch (attempt->error->trouble) {
    case ACME_TROUBLE_LOCAL:
    case ACME_TROUBLE_VALIDATION:
    case ACME_TROUBLE_PAUSED:
    case ACME_TROUBLE_STOPPED:
        return false;
    default:
        break;
    }
    bool urgent = !acme_record_is_good(&attempt->record, attempt->managed, time(NULL));
    return attempt->acme->fallback.directory &&
           (urgent || attempt->record.failures + 1 >= FALLBACK_FAILURES);
}

static enum acme_renewal renewal_of(const struct attempt *attempt,
                                    const struct conf_authority *authority);
static int terms_choose(struct attempt *attempt, const struct acme_client *client,
                        struct acme_order_terms *terms, char replaces[ACME_CERTIFICATE_ID_BYTES]);
static int trial(struct attempt *attempt);
static int challenges_try(struct attempt *attempt, struct acme_client *client,
                          const struct acme_order_terms *terms);

static int obtain_from(struct attempt *attempt, const struct conf_authority *authority) {
    struct acme_client *client;
    struct acme_order_terms terms;
    char replaces[ACME_CERTIFICATE_ID_BYTES];
    struct acme_error *error = attempt->error;
    int result = acme_quota_check(attempt->acme, authority, attempt->managed->site,
                                  renewal_of(attempt, authority), error);
    if (result == 0 && authority == &attempt->acme->authority)
        result = trial(attempt);
    if (result == 0)
        result = acme_session_account(attempt->session, authority, &client, error);
    if (result == 0)
        result = terms_choose(attempt, client, &terms, replaces);
    return result == 0 ? challenges_try(attempt, client, &terms) : result;
}

// As what this authority will count an order.
static enum acme_renewal renewal_of(const struct attempt *attempt,
                                    const struct conf_authority *authority) {
    const struct acme_record *record = &attempt->record;
    const struct conf_site *site = attempt->managed->site;
    char id[ACME_CERTIFICATE_ID_BYTES];
    if (!record->has_leaf || strcmp(record->directory, authority->directory) != 0 ||
        !acme_leaf_is_for(&record->leaf, site->acme_hosts, site->acme_host_count))
        return ACME_RENEWAL_NONE;
    bool suggested = record->window.start > 0 && record->window.start <= time(NULL);
    return suggested && acme_certificate_id(&record->leaf, id) ? ACME_RENEWAL_SUGGESTED
                                                               : ACME_RENEWAL_NAMES;
}

// After failures the staging server is tried first: while the names cannot be shown to be ours
// there, the authority, with its stricter limits, is left alone.
static int trial(struct attempt *attempt) {
    const struct acme_order_terms terms = {.trial = true};
    const struct conf_authority *staging = &attempt->acme->staging;
    struct acme_client *client;
    if (!staging->directory || attempt->record.failures < TRIAL_FAILURES)
        return 0;
    int result = acme_session_account(attempt->session, staging, &client, attempt->error);
    if (result == 0)
        result = challenges_try(attempt, client, &terms);
    bool tells = attempt->error->trouble == ACME_TROUBLE_VALIDATION ||
                 attempt->error->trouble == ACME_TROUBLE_STOPPED;
    log_line(LOG_INFO, NULL, "acme: %s: after %u failures tried at %s first: %s",
             attempt->managed->name, attempt->record.failures, staging->directory,
             result == 0 ? "that works" : attempt->error->text);
    return result < 0 && tells ? result : 0;
}

// One order with this kind of challenge.
static int challenge_try(struct attempt *attempt, struct acme_client *client,
                         enum acme_challenge kind, const struct acme_order_terms *terms) {
    const struct conf_acme *acme = attempt->acme;
    struct acme_error *error = attempt->error;
    int result = acme_order_run(client, acme, attempt->managed, kind, terms, error);
    if (result < 0 && error->trouble == ACME_TROUBLE_NO_ACCOUNT &&
        (result = acme_account_renew(client, acme, error)) == 0)
        result = acme_order_run(client, acme, attempt->managed, kind, terms, error);
    return result;
}

// Tries the challenges that can work, one after the other.
static int challenges_try(struct attempt *attempt, struct acme_client *client,
                          const struct acme_order_terms *terms) {
    enum acme_challenge kinds[3];
    const struct conf_managed *managed = attempt->managed;
    size_t count = acme_challenge_choose(attempt->config, managed->site, kinds);
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct acme_error held;
        result = challenge_try(attempt, client, kinds[i], terms);
        if (result == 0 || attempt->error->trouble != ACME_TROUBLE_VALIDATION || i + 1 == count)
            break;
        // What went wrong is worth more than that there is no trying again.
        if (acme_quota_check(attempt->acme, client->authority, managed->site, terms->renewal,
                             &held) < 0)
            break;
        log_line(LOG_WARN, NULL, "acme: %s: %s; trying %s", managed->name, attempt->error->text,
                 acme_challenge_name(kinds[i + 1]));
        result = 0;
    }
    return result;
}

static int profile_refuse(const struct attempt *attempt, const struct acme_client *client) {
    const char *name;
    json_t *value;
    size_t count = 0;
    int result = acme_error_set(attempt->error, ACME_TROUBLE_REFUSED, -ENOTSUP,
                                "%s does not offer the profile \"%s\" (acme.profile)",
                                client->authority->directory, attempt->acme->profile);
    json_object_foreach(client->profiles, name, value) {
        acme_error_advise(attempt->error, "%s\"%s\"", count++ == 0 ? "it offers " : "", name);
    }
    if (count == 0)
        acme_error_advise(attempt->error, "it offers none");
    return result;
}

// What this authority is asked for besides the names.
static int terms_choose(struct attempt *attempt, const struct acme_client *client,
                        struct acme_order_terms *terms, char replaces[ACME_CERTIFICATE_ID_BYTES]) {
    const struct conf_acme *acme = attempt->acme;
    const struct acme_record *record = &attempt->record;
    bool offered = acme->profile && json_object_get(client->profiles, acme->profile);
    if (acme->profile && !offered && client->authority == &acme->authority)
        return profile_refuse(attempt, client);
    bool knows = record->has_leaf && client->renewal_info[0] &&
                 strcmp(record->directory, client->authority->directory) == 0;
    attempt->profile = offered ? acme->profile : NULL;
    *terms = (struct acme_order_terms){
        .keeps_key = acme->reuse_key && !acme_record_is_revoked(record),
        .profile = attempt->profile,
        .replaces = knows && acme_certificate_id(&record->leaf, replaces) ? replaces : NULL,
        .preferred_chain = acme->preferred_chain,
        .renewal = renewal_of(attempt, client->authority),
        .failures = record->failures,
    };
    return 0;
}

// --- how it went ------------------------------------------------------------------------------

static const char *date_text(time_t when, char text[40]) {
    struct tm tm;
    strftime(text, 40, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&when, &tm));
    return text;
}

// With a clock that runs ahead a new certificate may be due at once: no reason to ask on and on.
// But an authority may want one back soon.
static time_t held_s(const struct acme_leaf *leaf) {
    time_t part_s = (leaf->not_after - leaf->not_before) / 10;
    return part_s < HELD_MAX_S ? part_s : HELD_MAX_S;
}

static bool is_held(const struct acme_error *error) {
    return error->trouble == ACME_TROUBLE_HELD || error->trouble == ACME_TROUBLE_PAUSED;
}

static void failure_set(const struct attempt *attempt, struct acme_record *record) {
    const struct acme_error *failure = attempt->error;
    // Who is held back by our own count has asked nobody, and the last answer is still the best
    // news.
    if (is_held(failure)) {
        acme_record_postpone(record, attempt->managed,
                             record->attempted_at + (time_t)failure->retry_after_s);
        if (record->failures == 0)
            snprintf(record->error, sizeof record->error, "%s", failure->text);
        return;
    }
    record->failures++;
    acme_record_postpone(record, attempt->managed,
                         acme_schedule_retry(record->attempted_at, record->failures,
                                             failure->retry_after_s, attempt->managed->name));
    snprintf(record->error, sizeof record->error, "%s", failure->text);
}

static void success_set(const struct attempt *attempt, struct acme_record *record,
                        const struct conf_authority *from) {
    record->failures = 0;
    record->next_at = 0;
    record->error[0] = record->revoked[0] = '\0';
    snprintf(record->profile, sizeof record->profile, "%s",
             attempt->profile ? attempt->profile : "");
    snprintf(record->directory, sizeof record->directory, "%s", from->directory);
}

static void outcome_say(const struct attempt *attempt, const struct acme_record *record,
                        int result) {
    char expires[40], next[40];
    const char *name = attempt->managed->name;
    if (result < 0)
        log_line(LOG_ERROR, NULL, "acme: %s: no certificate: %s. Next attempt at %s", name,
                 attempt->error->text, date_text(record->next_at, next));
    else
        log_line(LOG_INFO, NULL, "acme: %s: new certificate, good until %s, to be renewed at %s",
                 name, date_text(record->leaf.not_after, expires),
                 date_text(acme_record_renewal(record, attempt->acme, attempt->managed), next));
}

// Kept first, said then: who has heard of it can look it up.
static void outcome_record(const struct attempt *attempt, const struct conf_authority *from,
                           int result, time_t *held_until) {
    struct acme_record record;
    struct acme_error error;
    acme_record_read(attempt->acme, attempt->managed, &record);
    record.attempted_at = time(NULL);
    if (result < 0)
        failure_set(attempt, &record);
    else
        success_set(attempt, &record, from);
    *held_until = result < 0 ? record.next_at : record.attempted_at + held_s(&record.leaf);
    if (acme_record_write(attempt->acme, attempt->managed, &record, &error) < 0)
        log_line(LOG_ERROR, NULL, "acme: %s", error.text);
    outcome_say(attempt, &record, result);
    acme_record_free(&record);
}

// --- when the authority would like it renewed -------------------------------------------------

static void window_say(const struct conf_managed *managed, const struct acme_window *before,
                       const struct acme_window *window) {
    char start[40], end[40];
    if (window->start == 0 || (window->start == before->start && window->end == before->end))
        return;
    log_line(LOG_INFO, NULL, "acme: %s: the authority suggests renewal between %s and %s%s%s",
             managed->name, date_text(window->start, start), date_text(window->end, end),
             window->why[0] ? "; why: " : "", window->why);
}

static void window_refresh(struct acme_session *session, const struct conf_managed *managed,
                           const struct conf_authority *from, struct acme_record *record);

void acme_attempt_window(struct acme_session *session, const struct conf_managed *managed) {
    struct acme_record record;
    acme_record_read(session->acme, managed, &record);
    const struct conf_authority *from = acme_record_authority(&record, session->acme);
    if (from && record.has_leaf && record.window.ask_at <= time(NULL))
        window_refresh(session, managed, from, &record);
    acme_record_free(&record);
}

static void window_refresh(struct acme_session *session, const struct conf_managed *managed,
                           const struct conf_authority *from, struct acme_record *record) {
    struct acme_client *client;
    struct acme_error error;
    struct acme_window window = record->window;
    window.ask_at = time(NULL) + WINDOW_RETRY_S;
    int result = acme_session_open(session, from, &client, &error);
    if (result == 0)
        result = acme_window_ask(client, &record->leaf, &window, &error);
    if (result < 0 && error.trouble == ACME_TROUBLE_STOPPED)
        return;
    if (result < 0)
        log_line(LOG_WARN, NULL, "acme: %s: %s", managed->name, error.text);
    else
        window_say(managed, &record->window, &window);
    record->window = window;
    if (acme_record_write(session->acme, managed, record, &error) < 0)
        log_line(LOG_ERROR, NULL, "acme: %s", error.text);
}
