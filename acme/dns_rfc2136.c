// SPDX-License-Identifier: Apache-2.0
//
// A provider that is a name server: dynamic updates (RFC 2136), each signed with TSIG (RFC 8945)
// and its answer checked. The server itself is asked which zone a name is in.
#include "acme/dns_provider.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ldns/ldns.h>

#include "acme/dns_zone.h"
#include "acme/storage.h"

#define FUDGE_S 300
#define SECRET_BYTES 512
// The fields of a TSIG record that matter here (RFC 8945 §4.2), and the values of its error (§3).
#define TSIG_MAC 3
#define TSIG_ERROR 5
#define TSIG_BADSIG 16
#define TSIG_BADKEY 17
#define TSIG_BADTIME 18

// In the order of conf_rfc2136.algorithm. These are what ldns can sign with and checks: it knows
// SHA-384 by a wrong name only ("hmac-shac384.").
static const char *const algorithms[] = {"hmac-sha256", "hmac-sha512", "hmac-sha1"};
#define ALGORITHM_COUNT (sizeof algorithms / sizeof algorithms[0])

struct update {
    const struct conf_rfc2136 *conf;
    int stop_fd;
    char secret[SECRET_BYTES]; // base64
    struct acme_dns_servers servers;
    char zone[ACME_DNS_NAME_BYTES];
};

static int secret_read(struct update *update, struct acme_error *error);
static ldns_rr_list *changes_make(enum acme_dns_change change,
                                  const struct acme_dns_record *record);
static int update_send(const struct update *update, const ldns_rr_list *changes,
                       struct acme_error *error);

// `changes` is freed; NULL: there was no memory for it.
static int update_run(const struct conf_acme *acme, int stop_fd, const char *name,
                      ldns_rr_list *changes, struct acme_error *error) {
    struct update update = {.conf = &acme->rfc2136, .stop_fd = stop_fd};
    int result = changes ? secret_read(&update, error)
                         : acme_error_set(error, ACME_TROUBLE_LOCAL, -ENOMEM, "out of memory");
    if (result == 0)
        result = acme_dns_servers_add_host(&update.servers, &update.conf->server, error);
    if (result == 0)
        result = acme_dns_zone_find(stop_fd, &update.servers, ACME_DNS_ITERATIVE, name, update.zone,
                                    error);
    if (result == 0)
        result = update_send(&update, changes, error);
    explicit_bzero(&update, sizeof update);
    ldns_rr_list_deep_free(changes);
    return result;
}

int acme_dns_rfc2136_change(const struct conf_acme *acme, int stop_fd, enum acme_dns_change change,
                            const struct acme_dns_record *record, struct acme_error *error) {
    int result = update_run(acme, stop_fd, record->name, changes_make(change, record), error);
    if (result < 0)
        acme_error_while(error, "%s %s", change == ACME_DNS_SET ? "setting" : "removing",
                         record->name);
    return result;
}

// Removes a record that is never there.
int acme_dns_rfc2136_check(const struct conf_acme *acme, int stop_fd, const char *domain,
                           struct acme_error *error) {
    struct acme_dns_record record = {.value = "ringway"};
    snprintf(record.name, sizeof record.name, "%s", domain);
    return update_run(acme, stop_fd, domain, changes_make(ACME_DNS_REMOVE, &record), error);
}

// --- the key ----------------------------------------------------------------------------------

static int algorithm_check(const struct conf_rfc2136 *conf, const char *text,
                           struct acme_error *error);

// Base64 alone, or what tsig-keygen(8) writes: key "NAME" { algorithm …; secret "BASE64"; };
static int secret_read(struct update *update, struct acme_error *error) {
    char *text = acme_storage_read(update->conf->key_file);
    if (!text)
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -errno, "the TSIG key in %s: %s",
                              update->conf->key_file, strerror(errno));
    char *word = strstr(text, "secret"), *from = word ? word + strlen("secret") : text;
    from += strspn(from, " \t\r\n\"");
    size_t size = strspn(from, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
    size_t rest = strspn(from + size, " \t\r\n");
    bool good = size > 0 && size < SECRET_BYTES && size % 4 == 0 && (word || !from[size + rest]);
    if (good)
        memcpy(update->secret, from, size);
    int result = good ? algorithm_check(update->conf, word ? text : "", error)
                      : acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                                       "%s holds no TSIG key; make one with tsig-keygen, or put "
                                       "its secret there in base64",
                                       update->conf->key_file);
    explicit_bzero(text, strlen(text));
    free(text);
    return result;
}

// What the file says, if it does, must be what is configured: the name server would answer BADKEY.
static int algorithm_check(const struct conf_rfc2136 *conf, const char *text,
                           struct acme_error *error) {
    const char *word = strstr(text, "algorithm"), *wanted = algorithms[conf->algorithm];
    char named[32] = "";
    if (word) {
        word += strlen("algorithm");
        sscanf(word + strspn(word, " \t\r\n\""), "%31[a-zA-Z0-9-]", named);
    }
    if (!named[0] || strcasecmp(named, wanted) == 0)
        return 0;
    acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                   "the TSIG key in %s is for %s, and acme.rfc2136.algorithm is %s", conf->key_file,
                   named, wanted);
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        if (strcasecmp(named, algorithms[i]) == 0) {
            acme_error_advise(error, "set algorithm to %s", algorithms[i]);
            return -EINVAL;
        }
    acme_error_advise(error, "make another key with tsig-keygen -a hmac-sha256");
    return -EINVAL;
}

// --- the message ------------------------------------------------------------------------------

// Adding to what there is, or taking away exactly this (RFC 2136 §2.5.1, §2.5.4).
static ldns_rr_list *changes_make(enum acme_dns_change change,
                                  const struct acme_dns_record *record) {
    char text[ACME_DNS_NAME_BYTES + ACME_DNS_VALUE_BYTES + 32];
    ldns_rr *rr;
    ldns_rr_list *changes = ldns_rr_list_new();
    snprintf(text, sizeof text, "%s. %d IN TXT \"%s\"", record->name, ACME_DNS_TTL_S,
             record->value);
    if (!changes || ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK) {
        ldns_rr_list_deep_free(changes);
        return NULL;
    }
    if (change == ACME_DNS_REMOVE) {
        ldns_rr_set_class(rr, LDNS_RR_CLASS_NONE);
        ldns_rr_set_ttl(rr, 0);
    }
    ldns_rr_list_push_rr(changes, rr);
    return changes;
}

static ldns_pkt *message_make(const struct update *update, const ldns_rr_list *changes) {
    char algorithm[32];
    ldns_rdf *zone = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_DNAME, update->zone);
    ldns_pkt *message =
        zone ? ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, NULL, changes, NULL) : NULL;
    if (!message)
        return NULL;
    ldns_pkt_set_random_id(message);
    snprintf(algorithm, sizeof algorithm, "%s.", algorithms[update->conf->algorithm]);
    if (ldns_pkt_tsig_sign(message, update->conf->key_name, update->secret, FUDGE_S, algorithm,
                           NULL) == LDNS_STATUS_OK)
        return message;
    ldns_pkt_free(message);
    return NULL;
}

static int answer_check(const struct update *update, const ldns_pkt *message,
                        const struct acme_dns_answer *answer, struct acme_error *error);

static int update_send(const struct update *update, const ldns_rr_list *changes,
                       struct acme_error *error) {
    int result = -EHOSTUNREACH;
    for (size_t i = 0; i < update->servers.count; i++) {
        struct acme_dns_answer answer;
        ldns_pkt *message = message_make(update, changes);
        if (!message)
            return acme_error_set(error, ACME_TROUBLE_LOCAL, -EINVAL,
                                  "the update cannot be made; is \"%s\" the name of a TSIG key?",
                                  update->conf->key_name);
        result = acme_dns_exchange(update->stop_fd, &update->servers.items[i], message, &answer);
        bool is_answered = result == 0;
        if (is_answered)
            result = answer_check(update, message, &answer, error);
        acme_dns_answer_free(&answer);
        ldns_pkt_free(message);
        if (is_answered)
            return result;
        if (result == -ECANCELED)
            return acme_error_set(error, ACME_TROUBLE_STOPPED, result, "the gateway stops");
    }
    return acme_error_set(error, ACME_TROUBLE_LOCAL, result,
                          "the name server %s does not answer an update: %s",
                          update->conf->server.text, strerror(-result));
}

// --- the answer -------------------------------------------------------------------------------

// 0: no error, or no TSIG record.
static unsigned tsig_error(const ldns_pkt *packet) {
    const ldns_rr *tsig = ldns_pkt_tsig(packet);
    const ldns_rdf *field = tsig ? ldns_rr_rdf(tsig, TSIG_ERROR) : NULL;
    return field && ldns_rdf_size(field) == 2 ? ldns_rdf2native_int16(field) : 0;
}

static int notauth_error(const struct update *update, unsigned said, struct acme_error *error) {
    const struct conf_rfc2136 *conf = update->conf;
    int result = acme_error_set(error, ACME_TROUBLE_LOCAL, -EACCES,
                                "the name server %s does not accept the update of the zone %s",
                                conf->server.text, update->zone);
    switch (said) {
    case TSIG_BADKEY:
        acme_error_advise(error,
                          "BADKEY: it has no key \"%s\" with this algorithm; compare "
                          "key_name and algorithm with the server's configuration",
                          conf->key_name);
        break;
    case TSIG_BADSIG:
        acme_error_advise(error, "BADSIG: its key \"%s\" is another one than that in %s",
                          conf->key_name, conf->key_file);
        break;
    case TSIG_BADTIME:
        acme_error_advise(error, "BADTIME: its clock and this machine's are more than %d s apart",
                          FUDGE_S);
        break;
    default:
        acme_error_advise(error, "NOTAUTH: it is not the primary of this zone; name the primary "
                                 "with acme.rfc2136.server");
    }
    return result;
}

static int answer_check(const struct update *update, const ldns_pkt *message,
                        const struct acme_dns_answer *answer, struct acme_error *error) {
    const struct conf_rfc2136 *conf = update->conf;
    ldns_pkt_rcode code = ldns_pkt_get_rcode(answer->packet);
    const ldns_rdf *mac = ldns_rr_rdf(ldns_pkt_tsig(message), TSIG_MAC);
    unsigned said = tsig_error(answer->packet);
    char name[32];
    if (code == LDNS_RCODE_NOTAUTH)
        return notauth_error(update, said, error);
    if (code == LDNS_RCODE_REFUSED)
        return acme_error_set(
            error, ACME_TROUBLE_LOCAL, -EACCES,
            "the name server %s refuses updates of the zone %s by the key \"%s\"; "
            "allow it there (BIND: update-policy, Knot: acl)",
            conf->server.text, update->zone, conf->key_name);
    // Anybody can say that something went wrong; that it went well has to be signed.
    if (code == LDNS_RCODE_NOERROR &&
        !ldns_pkt_tsig_verify(answer->packet, answer->wire, answer->wire_size, conf->key_name,
                              update->secret, mac))
        return acme_error_set(error, ACME_TROUBLE_LOCAL, -EBADMSG,
                              "the answer of the name server %s is not signed with the key \"%s\"",
                              conf->server.text, conf->key_name);
    if (code == LDNS_RCODE_NOERROR)
        return 0;
    ldns_lookup_table *row = ldns_lookup_by_id(ldns_rcodes, (int)code);
    snprintf(name, sizeof name, "%s", row ? row->name : "an unknown error");
    return acme_error_set(error, ACME_TROUBLE_LOCAL, -EIO,
                          "the name server %s answers the update of the zone %s with %s; its log "
                          "says why",
                          conf->server.text, update->zone, name);
}
