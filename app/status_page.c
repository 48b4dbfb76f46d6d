// SPDX-License-Identifier: Apache-2.0
//
// From the top down, what matters first: is it up, how much does it serve, are the certificates
// good, are the servers known. Every text that is not ours goes through `text`.
#include "app/status_page.h"

#include <inttypes.h>
#include <utlist.h>

#include "app/status_style.h"
#include "core/address.h"
#include "core/clock.h"

#define DAY_S (24 * 3600)
// From when on an expiry that nothing has renewed asks for attention.
#define EXPIRY_WAIT_S (14 * DAY_S)
#define EXPIRY_BAD_S (3 * DAY_S)

// --- words ------------------------------------------------------------------------------------

// The text with what HTML would take for its own escaped.
static void text(FILE *out, const char *words) {
    for (; *words; words++) {
        switch (*words) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*words, out);
        }
    }
}

// The two largest units, or days alone when there are many: "120 d", "3 d 4 h", "12 s".
static void duration(FILE *out, long long seconds) {
    static const struct {
        long long seconds;
        const char *unit;
    } units[] = {{DAY_S, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    fprintf(out, "%lld %s", seconds / units[i].seconds, units[i].unit);
    bool exact = i < 3 && seconds < 10 * DAY_S;
    long long rest = exact ? seconds % units[i].seconds / units[i + 1].seconds : 0;
    if (rest > 0)
        fprintf(out, " %lld %s", rest, units[i + 1].unit);
}

// A date, and below it how far away it is.
static void moment(FILE *out, time_t when, time_t now) {
    char date[CLOCK_DATE_BYTES];
    fprintf(out, "%.10s<small>", clock_date(when, date));
    if (when > now) {
        fputs("in ", out);
        duration(out, when - now);
    } else {
        duration(out, now - when);
        fputs(" ago", out);
    }
    fputs("</small>", out);
}

static void bytes(FILE *out, uint64_t count) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double value = (double)count;
    size_t unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    fprintf(out, "%.*f %s", unit > 0 && value < 10 ? 1 : 0, value, units[unit]);
}

static void tile(FILE *out, const char *label, uint64_t value) {
    fprintf(out, "<div class=card><dt>%s<dd>%" PRIu64 "</div>\n", label, value);
}

// --- top --------------------------------------------------------------------------------------

static void header_write(const struct report *report, FILE *out) {
    char date[CLOCK_DATE_BYTES];
    fprintf(out,
            "<main><header><svg viewBox=\"0 0 32 32\" aria-hidden=true><circle cx=16 cy=16 r=11 "
            "fill=none stroke-width=6 /></svg><h1>ringway <small>%s</small></h1>\n"
            "<span class=\"badge %s\" id=state>%s</span><p>%s, up ",
            RINGWAY_VERSION, report->state == REPORT_SERVING ? "good" : "wait",
            report_state_text(report->state), clock_date(report->taken_at, date));
    duration(out, report->taken_at - report->started_at);
    fputs("</p></header>\n", out);
}

static void tiles_write(const struct report *report, FILE *out) {
    const struct process_usage *used = &report->process;
    fputs("<dl class=tiles>\n", out);
    tile(out, "connections", report_value_of(report, "connections"));
    tile(out, "WebSockets", report_value_of(report, "websockets"));
    tile(out, "requests", report_value_of(report, "requests"));
    tile(out, "TLS handshakes", report_value_of(report, "handshakes"));
    tile(out, "workers", report->workers);
    fputs("<div class=card><dt>memory<dd>", out);
    bytes(out, used->resident_bytes);
    fprintf(out,
            "</div>\n<div class=card><dt>descriptors<dd>%" PRIu64 " <small>of %" PRIu64
            "</small></div>\n</dl>\n",
            used->open_files, used->open_files_max);
}

// --- sites ------------------------------------------------------------------------------------

static const char *expiry_class(time_t not_after, time_t now) {
    if (not_after < now + EXPIRY_BAD_S)
        return "bad";
    return not_after < now + EXPIRY_WAIT_S ? "wait" : "good";
}

static void certificate_cells(const struct report_site *site,
                              const struct report_certificate *certificate, time_t now, FILE *out) {
    bool placeholder = site->conf->managed_count > 0 && certificate->self_signed;
    fputs("<td>", out);
    for (size_t i = 0; i < certificate->name_count && i < 4; i++) {
        fputs(i > 0 ? ", " : "", out);
        text(out, certificate->names[i]);
    }
    if (certificate->name_count > 4)
        fprintf(out, " and %zu more", certificate->name_count - 4);
    fprintf(out, "<small>%s, ", certificate->key);
    if (placeholder)
        fputs("<span class=wait>self-signed placeholder</span>", out);
    else if (certificate->self_signed)
        fputs("self-signed", out);
    else
        text(out, certificate->issuer);
    if (placeholder) {
        fputs("</small></td><td><small>until ACME has got one</small></td>", out);
        return;
    }
    fprintf(out, "</small></td><td class=%s>", expiry_class(certificate->not_after, now));
    moment(out, certificate->not_after, now);
    fputs("</td>", out);
}

static void renewal_cell(const struct report_site *site, time_t now, FILE *out) {
    const struct report_acme *acme;
    if (site->conf->managed_count == 0)
        fputs("<td><small>not by ACME</small></td>", out);
    else if (!site->acme)
        fputs("<td></td>", out); // not looked at yet
    LL_FOREACH(site->acme, acme) {
        fputs(acme == site->acme ? "<td>" : "<br>", out);
        if (acme->progress == ACME_WORKING)
            fputs("<span class=wait>under way</span>", out);
        else if (acme->next_at > now)
            moment(out, acme->next_at, now);
        else
            fputs("<span class=wait>at once</span>", out);
    }
    fputs(site->acme ? "</td>" : "", out);
}

// Who is held back by our own count of an authority's limits has not failed.
static void trouble_write(const struct report_acme *acme, FILE *out) {
    if (!acme->error[0])
        return;
    fprintf(out, "<tr class=more><td class=error colspan=5><p>Getting a certificate (%s) ",
            acme->key);
    if (acme->failures > 0)
        fprintf(out, "has failed <b>%u time%s</b>: ", acme->failures,
                acme->failures == 1 ? "" : "s in a row");
    else
        fputs("waits: ", out);
    text(out, acme->error);
    fputs("</p></td></tr>\n", out);
}

static void site_write(const struct report_site *site, time_t now, FILE *out) {
    const struct report_certificate *certificate = site->certificates;
    fputs("<tr><td>", out);
    text(out, site->conf->name);
    fprintf(out, "</td><td class=n>%" PRIu64 "</td>", site->connections);
    if (certificate)
        certificate_cells(site, certificate, now, out);
    else
        fputs("<td><small>none</small></td><td></td>", out);
    renewal_cell(site, now, out);
    fputs("</tr>\n", out);
    while (certificate && (certificate = certificate->next)) {
        fputs("<tr class=more><td></td><td></td>", out);
        certificate_cells(site, certificate, now, out);
        fputs("<td></td></tr>\n", out);
    }
    const struct report_acme *acme;
    LL_FOREACH(site->acme, acme)
    trouble_write(acme, out);
}

static void sites_write(const struct report *report, FILE *out) {
    fputs("<h2>Sites</h2>\n<div class=card><table id=sites><thead><tr><th>site<th class=n>"
          "connections<th>certificate<th>expires<th>next renewal</thead>\n<tbody>\n",
          out);
    for (size_t i = 0; i < report->config->site_count; i++)
        site_write(&report->sites[i], report->taken_at, out);
    fputs("</tbody></table></div>\n", out);
}

// --- upstreams --------------------------------------------------------------------------------

static void server_write(const struct report *report, const char *upstream,
                         const struct conf_server *server, FILE *out) {
    const struct resolve_answer *answer = resolve_table_find(report->resolved, server->host);
    char address[ADDRESS_TEXT_MAX];
    fputs("<tr><td>", out);
    text(out, upstream);
    fputs("</td><td>", out);
    text(out, server->text);
    fputs("</td><td>", out);
    for (size_t i = 0; answer && i < answer->address_count; i++) {
        address_format((const struct sockaddr *)&answer->addresses[i], address);
        fprintf(out, "%s%s", i > 0 ? ", " : "", address);
    }
    if (answer && answer->error)
        fprintf(out, " <span class=%s>%s</span>", answer->address_count > 0 ? "wait" : "bad",
                resolve_error_text(answer->error));
    fputs("</td></tr>\n", out);
}

static void upstreams_write(const struct report *report, FILE *out) {
    const struct config *config = report->config;
    if (config->upstream_count == 0)
        return;
    fputs("<h2>Upstream servers</h2>\n<div class=card><table id=upstreams><thead><tr><th>upstream"
          "<th>server<th>addresses</thead>\n<tbody>\n",
          out);
    for (size_t i = 0; i < config->upstream_count; i++)
        for (size_t j = 0; j < config->upstreams[i].server_count; j++)
            server_write(report, j == 0 ? config->upstreams[i].name : "",
                         &config->upstreams[i].servers[j], out);
    fputs("</tbody></table></div>\n", out);
}

// --- kernel, counters -------------------------------------------------------------------------

static void kernel_row(const struct report *report, enum tls_direction direction,
                       const char *counter, FILE *out) {
    char suites[TLS_KERNEL_TEXT_BYTES];
    fprintf(out, "<tr><td>%s</td><td>%s</td><td>%s</td><td class=n>%" PRIu64 "</td></tr>\n",
            direction == TLS_SEND ? "sending" : "receiving",
            report_kernel_tls(report, direction) ? "<span class=good>to the kernel</span>"
                                                 : "stay in ringway, as configured",
            tls_kernel_describe(report->kernel, direction, suites),
            report_value_of(report, counter));
}

static void kernel_write(const struct report *report, FILE *out) {
    fputs("<h2>TLS in the kernel</h2>\n<div class=card><table id=kernel>", out);
    if (report->kernel->why) {
        fprintf(out, "<tbody><tr><td>Not with this kernel: %s.</td></tr>\n", report->kernel->why);
    } else {
        fputs("<thead><tr><th>direction<th>new connections<th>what this kernel takes<th class=n>"
              "connections so far</thead>\n<tbody>\n",
              out);
        kernel_row(report, TLS_SEND, "ktls_tx", out);
        kernel_row(report, TLS_RECEIVE, "ktls_rx", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void values_write(const struct report *report, FILE *out) {
    fputs("<details open><summary>Counters</summary>\n<div class=card><table id=values><tbody>\n",
          out);
    for (size_t i = 0; i < REPORT_VALUES; i++) {
        const struct report_value *value = &report->values[i];
        fprintf(out, "<tr><td><code>%s</code></td><td>%s</td><td class=n>%" PRIu64 "</td></tr>\n",
                value->name, value->help, value->value);
    }
    fputs("</tbody></table></div></details>\n", out);
}

void status_page_write(const struct report *report, FILE *out) {
    fwrite(status_style, 1, status_style_size_bytes, out);
    header_write(report, out);
    tiles_write(report, out);
    sites_write(report, out);
    upstreams_write(report, out);
    kernel_write(report, out);
    values_write(report, out);
    fputs("<footer>The same for programs: <a href=\"/status.json\">/status.json</a>, "
          "<a href=\"/metrics\">/metrics</a>. This page loads itself anew every 10 "
          "seconds.</footer>\n</main>\n</html>\n",
          out);
}
