// SPDX-License-Identifier: Apache-2.0
//
// The thread holds `lock` only to look at the configuration and its list of sites, never while it
// waits for the network or a disk. What it knows about certificates it reads from the state folder
// each time; the list has what was asked for in this process, and what was read last for those who
// want a report.
#include "acme/acme.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "acme/account.h"
#include "acme/attempt.h"
#include "acme/dns_proof.h"
#include "acme/record.h"
#include "acme/revoke.h"
#include "acme/schedule.h"
#include "acme/storage.h"
#include "core/log.h"
#include "core/thread.h"

#define STOP_WAIT_S 2
// The clock may be set and another process may write: look again at least this often.
#define LOOK_EVERY_S 60
#define LOOK_EVERY_UNLOCKED_S 5

// A certificate that comes by ACME.
struct watched {
    const struct conf_managed *managed;
    struct stat seen, record_seen; // of the two files: the certificate and its record
    struct acme_record record;     // as read last
    time_t held_until; // no attempt before, even if the state folder cannot keep the last one
    time_t held_at;    // when that was set
    bool asked;        // to be done now
    int revocation;    // the reason for which it is to be revoked first; negative: it is not
    enum acme_progress progress;
    char error[ACME_ERROR_BYTES];
    bool is_unkept; // the error is that of an attempt whose record could not be written
};

// The change of the accounts' keys.
struct rollover {
    bool asked;
    enum acme_progress progress;
    char error[ACME_ERROR_BYTES];
};

// What is cared for.
struct care {
    struct config *config; // NULL: nothing
    struct watched *watched;
    size_t count;
};

// What goes over from one to the next.
enum care_part {
    CARE_PROGRESS, // how its certificates are doing
    CARE_ASKED,    // that, and what was asked for and is not begun
};

struct acme {
    pthread_t thread;
    acme_changed *changed;
    void *context;
    int stop_fd; // eventfd: readable once we are to stop
    int news_fd; // eventfd: something was asked for
    pthread_mutex_t lock;
    // Guarded by the lock; the thread alone replaces `care`.
    struct care wanted; // given by acme_watch, not taken up yet
    struct care care;
    struct rollover rollover;
    char folder_error[ACME_ERROR_BYTES]; // why the state folder cannot be used; "": it can
    // The thread's own.
    int lock_fd;      // of the state folder; negative: another process has it
    const char *told; // about the state folder, last
};

static void *run(void *argument);
static void acme_free(struct acme *acme);
static void care_free(struct care *care);

int acme_start(struct acme **out, acme_changed *changed, void *context) {
    struct acme *acme = calloc(1, sizeof *acme);
    if (!acme)
        return -ENOMEM;
    *acme = (struct acme){.changed = changed, .context = context, .lock_fd = -1};
    pthread_mutex_init(&acme->lock, NULL);
    acme->stop_fd = eventfd(0, EFD_CLOEXEC);
    acme->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = acme->stop_fd < 0 || acme->news_fd < 0 ? -errno : 0;
    if (error == 0)
        error = thread_start(&acme->thread, "acme", run, acme);
    if (error < 0) {
        acme_free(acme);
        return error;
    }
    *out = acme;
    return 0;
}

void acme_stop(struct acme *acme) {
    struct timespec deadline;
    eventfd_write(acme->stop_fd, 1);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += STOP_WAIT_S;
    if (pthread_timedjoin_np(acme->thread, NULL, &deadline) == 0)
        acme_free(acme);
    else
        pthread_detach(acme->thread);
}

static void acme_free(struct acme *acme) {
    if (acme->stop_fd >= 0)
        close(acme->stop_fd);
    if (acme->news_fd >= 0)
        close(acme->news_fd);
    if (acme->lock_fd >= 0)
        close(acme->lock_fd);
    care_free(&acme->wanted);
    care_free(&acme->care);
    pthread_mutex_destroy(&acme->lock);
    free(acme);
}

// --- what others ask for ----------------------------------------------------------------------

static struct care care_make(struct config *config);
static void care_merge(struct care *to, const struct care *from, enum care_part part);

void acme_watch(struct acme *acme, struct config *config) {
    struct care care = care_make(config_hold(config));
    pthread_mutex_lock(&acme->lock);
    if (acme->wanted.config)
        care_merge(&care, &acme->wanted, CARE_ASKED);
    else
        care_merge(&care, &acme->care, CARE_PROGRESS); // the thread may be doing what was asked
    care_free(&acme->wanted);
    acme->wanted = care;
    pthread_mutex_unlock(&acme->lock);
    eventfd_write(acme->news_fd, 1);
}

// What others ask for and hear of: the thread may be busy with what was wanted before.
static struct care *care_latest(struct acme *acme) {
    return acme->wanted.config ? &acme->wanted : &acme->care;
}

// Whether there is one in its place that is not due, failures left aside.
static bool is_fresh(const struct care *care, const struct watched *watched) {
    return access(watched->managed->file, F_OK) == 0 &&
           acme_record_renewal(&watched->record, &care->config->acme, watched->managed) >
               time(NULL);
}

// Calls for the certificates of a site, or of all.
static bool ask(struct acme *acme, const char *site, enum acme_ask what, int revocation) {
    bool found = false;
    pthread_mutex_lock(&acme->lock);
    struct care *care = care_latest(acme);
    for (size_t i = 0; i < care->count; i++) {
        struct watched *watched = &care->watched[i];
        if (site && strcmp(site, watched->managed->site->name) != 0)
            continue;
        found = true;
        if (what == ACME_ASK_ISSUE && is_fresh(care, watched)) {
            if (watched->progress == ACME_FAILED)
                watched->progress = ACME_DONE;
            continue;
        }
        watched->asked = true;
        watched->revocation = revocation;
        watched->progress = ACME_WORKING;
    }
    pthread_mutex_unlock(&acme->lock);
    eventfd_write(acme->news_fd, 1);
    return found;
}

bool acme_ask(struct acme *acme, const char *site, enum acme_ask what) {
    return ask(acme, site, what, -1);
}

bool acme_ask_revoke(struct acme *acme, const char *site, int reason) {
    return ask(acme, site, ACME_ASK_RENEW, reason);
}

void acme_ask_rollover(struct acme *acme) {
    pthread_mutex_lock(&acme->lock);
    acme->rollover.asked = true;
    acme->rollover.progress = ACME_WORKING;
    pthread_mutex_unlock(&acme->lock);
    eventfd_write(acme->news_fd, 1);
}

enum acme_progress acme_rollover_progress(struct acme *acme, char text[ACME_ERROR_BYTES]) {
    pthread_mutex_lock(&acme->lock);
    enum acme_progress progress = acme->rollover.progress;
    memcpy(text, acme->rollover.error, ACME_ERROR_BYTES);
    pthread_mutex_unlock(&acme->lock);
    return progress;
}

// Of several certificates of a site the worst counts.
enum acme_progress acme_progress(struct acme *acme, const char *site, char text[ACME_ERROR_BYTES]) {
    enum acme_progress progress = ACME_UNKNOWN;
    pthread_mutex_lock(&acme->lock);
    const struct care *care = care_latest(acme);
    for (size_t i = 0; i < care->count; i++) {
        const struct watched *watched = &care->watched[i];
        if (strcmp(site, watched->managed->site->name) != 0 || progress == ACME_WORKING)
            continue;
        if (progress != ACME_FAILED || watched->progress == ACME_WORKING)
            progress = watched->progress;
        if (watched->progress == ACME_FAILED)
            memcpy(text, watched->error, ACME_ERROR_BYTES);
    }
    pthread_mutex_unlock(&acme->lock);
    return progress;
}

// The last error: where the state folder does not hold it, that is the trouble.
static const char *report_error(const struct acme *acme, const struct watched *watched) {
    if (watched->record.error[0])
        return watched->record.error;
    if (acme->folder_error[0])
        return acme->folder_error;
    return watched->is_unkept ? watched->error : watched->record.error;
}

size_t acme_report_each(struct acme *acme, acme_report_fn *each, void *context) {
    pthread_mutex_lock(&acme->lock);
    const struct care *care = care_latest(acme);
    size_t count = care->count;
    for (size_t i = 0; i < count; i++) {
        const struct watched *watched = &care->watched[i];
        const struct acme_record *record = &watched->record;
        time_t due = acme_record_due(record, &care->config->acme, watched->managed);
        const char *error = report_error(acme, watched);
        struct acme_report report = {
            .site = watched->managed->site->name,
            .key = watched->managed->key_kind == ACME_KEY_RSA ? "rsa" : "ecdsa",
            .progress = watched->progress,
            .not_after = record->has_leaf ? record->leaf.not_after : 0,
            .issuer = record->leaf.issuer,
            .failures = record->failures == 0 && error != record->error ? 1 : record->failures,
            .error = error,
            .next_at = due > watched->held_until ? due : watched->held_until,
            .window_start = record->window.start,
            .window_end = record->window.end,
        };
        each(context, &report);
    }
    pthread_mutex_unlock(&acme->lock);
    return count;
}

// --- the thread -------------------------------------------------------------------------------

static void config_take(struct acme *acme);
static bool lock_take(struct acme *acme);
static void changes_report(struct acme *acme);
static void asked_refuse(struct acme *acme);
static time_t round_run(struct acme *acme);
static bool wait_until(struct acme *acme, time_t due);

static void *run(void *argument) {
    struct acme *acme = argument;
    time_t due = 0;
    do {
        config_take(acme);
        bool working = acme->care.count > 0 && lock_take(acme);
        changes_report(acme);
        if (!working)
            asked_refuse(acme);
        due =
            time(NULL) + (working || acme->care.count == 0 ? LOOK_EVERY_S : LOOK_EVERY_UNLOCKED_S);
        if (working) {
            time_t next = round_run(acme);
            due = next < due ? next : due;
        }
    } while (wait_until(acme, due));
    return NULL;
}

static bool is_stopping(const struct acme *acme) {
    struct pollfd polled = {.fd = acme->stop_fd, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

// False when we are to stop.
static bool wait_until(struct acme *acme, time_t due) {
    struct pollfd polled[] = {{.fd = acme->stop_fd, .events = POLLIN},
                              {.fd = acme->news_fd, .events = POLLIN}};
    eventfd_t news;
    time_t now = time(NULL);
    // Whatever the clock has been set to meanwhile.
    time_t wait_s = due <= now ? 0 : due - now < LOOK_EVERY_S ? due - now : LOOK_EVERY_S;
    poll(polled, 2, (int)wait_s * 1000);
    eventfd_read(acme->news_fd, &news);
    return !is_stopping(acme);
}

static void record_refresh(struct acme *acme, struct watched *watched);

// Takes up the configuration that was given last.
static void config_take(struct acme *acme) {
    pthread_mutex_lock(&acme->lock);
    bool is_new = acme->wanted.config != NULL;
    if (is_new) {
        care_merge(&acme->wanted, &acme->care, CARE_ASKED);
        care_free(&acme->care);
        acme->care = acme->wanted;
        acme->wanted = (struct care){0};
    }
    pthread_mutex_unlock(&acme->lock);
    if (is_new && acme->lock_fd >= 0) { // it may be another folder
        close(acme->lock_fd);
        acme->lock_fd = -1;
    }
}

// The configuration's reference goes over to it.
static struct care care_make(struct config *config) {
    struct care care = {.config = config};
    size_t capacity = 0;
    for (size_t i = 0; i < config->site_count; i++)
        capacity += config->sites[i].managed_count;
    care.watched = calloc(capacity, sizeof *care.watched);
    for (size_t i = 0; care.watched && i < config->site_count; i++) {
        for (size_t j = 0; j < config->sites[i].managed_count; j++) {
            struct watched *one = &care.watched[care.count++];
            *one = (struct watched){
                .managed = &config->sites[i].managed[j], .revocation = -1, .progress = ACME_DONE};
            stat(one->managed->file, &one->seen);
            acme_record_read(&config->acme, one->managed, &one->record);
        }
    }
    return care;
}

static void watched_merge(struct watched *one, const struct watched *before, enum care_part part) {
    if (one->asked)
        return;
    one->progress = before->progress;
    memcpy(one->error, before->error, sizeof one->error);
    if (part == CARE_ASKED) {
        one->asked = before->asked;
        one->revocation = before->revocation;
    }
}

// The one with the same file, which mostly has the same place. NULL: there is none.
static const struct watched *care_find(const struct care *care, const char *file, size_t place) {
    if (place < care->count && strcmp(care->watched[place].managed->file, file) == 0)
        return &care->watched[place];
    for (size_t i = 0; i < care->count; i++)
        if (strcmp(care->watched[i].managed->file, file) == 0)
            return &care->watched[i];
    return NULL;
}

static void care_merge(struct care *to, const struct care *from, enum care_part part) {
    for (size_t i = 0; i < to->count; i++) {
        const struct watched *before = care_find(from, to->watched[i].managed->file, i);
        if (before)
            watched_merge(&to->watched[i], before, part);
    }
}

static void care_free(struct care *care) {
    for (size_t i = 0; i < care->count; i++)
        acme_record_free(&care->watched[i].record);
    free(care->watched);
    config_free(care->config);
    *care = (struct care){0};
}

// Reads anew what is known of a certificate.
static void record_refresh(struct acme *acme, struct watched *watched) {
    struct acme_record record;
    acme_record_read(&acme->care.config->acme, watched->managed, &record);
    pthread_mutex_lock(&acme->lock);
    acme_record_free(&watched->record);
    watched->record = record;
    pthread_mutex_unlock(&acme->lock);
}

// Says something about the state folder once, until it is something else.
static void tell(struct acme *acme, enum log_level level, const char *kind, const char *text) {
    if (acme->told != kind)
        log_line(level, NULL, "acme: %s", text);
    acme->told = kind;
    pthread_mutex_lock(&acme->lock);
    snprintf(acme->folder_error, sizeof acme->folder_error, "%s", level == LOG_ERROR ? text : "");
    pthread_mutex_unlock(&acme->lock);
}

// Whether this process is to do the work.
static bool lock_take(struct acme *acme) {
    const char *state_dir = acme->care.config->acme.state_dir;
    struct acme_error error;
    if (acme->lock_fd >= 0)
        return true;
    if (acme_storage_open(state_dir, &error) < 0) {
        tell(acme, LOG_ERROR, "folder", error.text);
        acme->lock_fd = -ENOENT;
        return false;
    }
    acme->lock_fd = acme_storage_lock(state_dir);
    if (acme->lock_fd >= 0) {
        tell(acme, LOG_DEBUG, "ours", "the state folder is ours");
        acme_dns_start(acme->care.config, acme->stop_fd);
    } else if (acme->lock_fd == -EWOULDBLOCK)
        tell(acme, LOG_INFO, "theirs", "another gateway cares for the certificates of this folder");
    else {
        acme_error_set(&error, ACME_TROUBLE_LOCAL, acme->lock_fd, "locking %s/lock: %s", state_dir,
                       strerror(-acme->lock_fd));
        acme_error_advise(&error, "give the folder to the user that the gateway runs as");
        tell(acme, LOG_ERROR, "lock", error.text);
    }
    return acme->lock_fd >= 0;
}

// What was asked for cannot be done here.
static void asked_refuse(struct acme *acme) {
    const char *why =
        acme->care.count == 0 ? "no site has its certificate by ACME"
        : acme->lock_fd == -EWOULDBLOCK
            ? "another gateway cares for the certificates of this state folder: ask it"
            : acme->folder_error;
    pthread_mutex_lock(&acme->lock);
    if (acme->rollover.asked) {
        acme->rollover = (struct rollover){.progress = ACME_FAILED};
        snprintf(acme->rollover.error, sizeof acme->rollover.error, "%s", why);
    }
    for (size_t i = 0; i < acme->care.count; i++) {
        struct watched *watched = &acme->care.watched[i];
        if (!watched->asked)
            continue;
        watched->asked = false;
        watched->revocation = -1;
        watched->progress = ACME_FAILED;
        snprintf(watched->error, sizeof watched->error, "%s", why);
    }
    pthread_mutex_unlock(&acme->lock);
}

static bool file_has_changed(const char *path, struct stat *seen) {
    struct stat now = {0};
    stat(path, &now);
    bool changed = now.st_ino != seen->st_ino || now.st_mtim.tv_sec != seen->st_mtim.tv_sec ||
                   now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec;
    *seen = now;
    return changed;
}

// Whoever wrote them: this process, another one, or somebody by hand.
static void changes_report(struct acme *acme) {
    bool any = false;
    for (size_t i = 0; i < acme->care.count; i++) {
        struct watched *watched = &acme->care.watched[i];
        char path[PATH_MAX];
        acme_record_path(&acme->care.config->acme, watched->managed, path);
        bool changed = file_has_changed(watched->managed->file, &watched->seen);
        if (file_has_changed(path, &watched->record_seen) || changed)
            record_refresh(acme, watched);
        any |= changed;
    }
    if (any)
        acme->changed(acme->context);
}

// --- one round: everything that is due --------------------------------------------------------

static void rollover_run(struct acme *acme, struct acme_session *session);
static bool is_due(struct acme *acme, struct watched *watched, time_t *next);
static void work(struct acme *acme, struct acme_session *session, struct watched *watched);

// Returns when the next certificate is due. One is got after the other: at a few seconds each, what
// an authority allows in an hour is used up in minutes.
static time_t round_run(struct acme *acme) {
    struct acme_session session = {.acme = &acme->care.config->acme, .stop_fd = acme->stop_fd};
    time_t next = time(NULL) + LOOK_EVERY_S;
    rollover_run(acme, &session);
    for (size_t i = 0; i < acme->care.count && !is_stopping(acme); i++) {
        struct watched *watched = &acme->care.watched[i];
        acme_attempt_window(&session, watched->managed);
        if (is_due(acme, watched, &next)) {
            work(acme, &session, watched);
            acme_attempt_window(&session, watched->managed);
            is_due(acme, watched, &next);
        }
        // A new configuration may know nothing of the rest.
        pthread_mutex_lock(&acme->lock);
        bool outdated = acme->wanted.config != NULL;
        pthread_mutex_unlock(&acme->lock);
        if (outdated)
            break;
    }
    acme_session_close(&session);
    return next;
}

// Changes the keys of the accounts there are, if that was asked for.
static void rollover_run(struct acme *acme, struct acme_session *session) {
    const struct conf_acme *conf = session->acme;
    const struct conf_authority *authorities[] = {&conf->authority, &conf->fallback};
    struct acme_error error = {0};
    int result = 0;
    pthread_mutex_lock(&acme->lock);
    bool asked = acme->rollover.asked;
    acme->rollover.asked = false;
    pthread_mutex_unlock(&acme->lock);
    if (!asked)
        return;
    for (size_t i = 0; i < 2 && result == 0; i++) {
        struct acme_client *client;
        if (!authorities[i]->directory || !acme_account_exists(conf, authorities[i]))
            continue;
        result = acme_session_account(session, authorities[i], &client, &error);
        if (result == 0)
            result = acme_account_rollover(client, conf, &error);
    }
    if (result < 0)
        log_line(LOG_ERROR, NULL, "acme: %s", error.text);
    pthread_mutex_lock(&acme->lock);
    acme->rollover.progress = result == 0 ? ACME_DONE : ACME_FAILED;
    memcpy(acme->rollover.error, error.text, sizeof error.text);
    pthread_mutex_unlock(&acme->lock);
}

// Whether it is, now; else `next` is brought forward to when it will be.
static bool is_due(struct acme *acme, struct watched *watched, time_t *next) {
    record_refresh(acme, watched);
    time_t due = acme_record_due(&watched->record, &acme->care.config->acme, watched->managed);
    pthread_mutex_lock(&acme->lock);
    bool asked = watched->asked;
    if (watched->held_at > time(NULL) + ACME_CLOCK_SLACK_S)
        watched->held_until = 0;
    pthread_mutex_unlock(&acme->lock);
    due = due > watched->held_until ? due : watched->held_until;
    if (asked || due <= time(NULL))
        return true;
    *next = due < *next ? due : *next;
    return false;
}

// Revokes the certificate, if that was asked for, and gets one.
static void work(struct acme *acme, struct acme_session *session, struct watched *watched) {
    struct acme_error error = {0};
    pthread_mutex_lock(&acme->lock);
    int revocation = watched->revocation, result = 0;
    time_t held_until = watched->held_until;
    watched->revocation = -1;
    watched->progress = ACME_WORKING;
    watched->asked = false;
    pthread_mutex_unlock(&acme->lock);
    if (revocation >= 0) {
        result = acme_revoke(session, watched->managed, revocation, &error);
        if (result < 0)
            log_line(LOG_ERROR, NULL, "acme: %s: %s", watched->managed->name, error.text);
    }
    if (result == 0)
        result = acme_attempt(session, acme->care.config, watched->managed, &held_until, &error);
    changes_report(acme); // before anybody hears that it is done
    pthread_mutex_lock(&acme->lock);
    watched->held_until = held_until;
    watched->held_at = time(NULL);
    memcpy(watched->error, error.text, sizeof watched->error);
    watched->is_unkept = revocation < 0 && result < 0 && !watched->record.error[0];
    if (!watched->asked)
        watched->progress = result == 0 ? ACME_DONE : ACME_FAILED;
    pthread_mutex_unlock(&acme->lock);
}
