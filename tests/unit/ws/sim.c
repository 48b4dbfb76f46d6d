// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws/sim.h"

#include "core/container.h"
#include "core/log.h"
#include "ws/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

// Longer than anything the gateway waits for.
#define QUIET_MS 45000
#define WORLD_MS (60 * 60 * 1000)
// What a worker that is to end may take beyond the time to drain.
#define END_MS 1000
// What a connection's two legs may hold: a read each way, sealed, and what multishot receive had
// brought before a pause took effect.
#define CONN_BYTES_MAX (400 * 1024)

static struct sim *the_sim; // notes to main carry no pointer

// --- configuration and reloads ----------------------------------------------------------------

static const char config_text[] = "listen: [{address: '127.0.0.1:80'}%s%s]\n"
                                  "log: {target: none}\n"
                                  "access_log: {target: %s, format: json}\n"
                                  "drain: 3s\n"
                                  "max_head: 4K\n"
                                  "splice_min: %s\n"
                                  "max_connections: %s\n"
                                  "timeouts: {handshake: 2s, head: 2s, keep_alive: 3s, idle: 5s}\n"
                                  "sites:\n"
                                  "  a:\n"
                                  "    aliases: ['*']\n"
                                  "%s"
                                  "    strict: %s\n"
                                  "    max_body: 8M\n"
                                  "    max_connections: %s\n"
                                  "    routes:\n"
                                  "      /up/: {upstream: servers}\n"
                                  "      /old/: {redirect: 'http://b/'}\n"
                                  "      /ping: {respond: 'pong'}\n"
                                  "upstreams:\n"
                                  "  servers:\n"
                                  "    servers: ['127.0.0.1:%d', '127.0.0.1:%d', '127.0.0.1:%d']\n"
                                  "    keep_alive: %u\n"
                                  "    retries: 2\n"
                                  "    timeouts: {connect: 300ms, response: 4s, keep_alive: 2s}\n";

static struct config *config_make(const struct sim *sim) {
    static const char *const splice_mins[] = {"off", "4K", "4K", "64K"};
    char text[2048];
    struct problems problems = {0};
    const char *tls = sim->stranger_count > 0 ? ", {address: '127.0.0.1:443', tls: true}" : "";
    const char *certificate =
        sim->stranger_count > 0 ? "    tls: {certificate: cert.pem, key: key.pem}\n" : "";
    const char *second = sim->listen_count > 1 ? ", {address: '127.0.0.1:81'}" : "";
    int server = (int)fake_random(3);
    int size =
        snprintf(text, sizeof text, config_text, tls, second, fake_random(2) ? "none" : "/dev/null",
                 splice_mins[fake_random(4)], sim->full ? "2" : "unlimited", certificate,
                 sim->strict ? "true" : "false", sim->full && !sim->clean ? "1" : "unlimited",
                 1 + server, 1 + (server + 1) % 3, 1 + (server + 2) % 3, fake_random(4));
    struct config *config = config_parse(text, (size_t)size, "test", sim->folder, &problems);
    if (!config)
        fake_fail("the configuration: %s", problems.items[0].text);
    problems_free(&problems);
    return config;
}

static void snapshot_released(struct ring_note *note) {
    snapshot_free(container_of(note, struct snapshot, released), &the_sim->counts);
    the_sim->snapshots_freed++;
}

static void worker_ended(struct ring_note *note) {
    (void)note;
}

// What a reload does on the main thread. The second listener comes and goes with it.
static void reload(struct sim *sim) {
    struct problems problems = {0};
    if (sim->listen_count < 2 && sim->relisten && fake_random(3) == 0)
        sim->listeners[sim->listen_count++] = fake_listen();
    else if (sim->listen_count == 2 && fake_random(3) == 0)
        sim->listen_count = 1;
    struct settings *settings = settings_open(config_make(sim), NULL, &sim->counts, &problems);
    if (sim->settings)
        settings_drop(sim->settings, &sim->counts);
    sim->settings = settings;
    if (!sim->resolved)
        sim->resolved = resolve_table_make(settings->config, NULL);
    // In the order of the configuration.
    struct listen_socket listens[3] = {{.fds = &sim->listeners[0]}, {.fds = &sim->listeners[1]}};
    if (sim->stranger_count > 0) {
        listens[1].fds = &sim->tls_listener;
        listens[2].fds = &sim->listeners[1];
    }
    struct snapshot *snapshot = snapshot_build(settings, sim->resolved, listens, 1);
    proxy_give_snapshot(&sim->proxy, sim->main_ring, snapshot);
    fake_submit(sim->main_ring);
    sim->snapshots_made++;
    fake_trace("main: snapshot %u", sim->snapshots_made);
}

static void stop(struct sim *sim, enum proxy_stop how) {
    fake_trace("main: stop (%d)", how);
    proxy_stop(&sim->proxy, sim->main_ring, how, sim->settings->config->drain_ms);
    fake_submit(sim->main_ring);
    sim->stopped = true;
    sim->end_ms = clock_monotonic_ms() + END_MS +
                  (how == PROXY_STOP_DRAIN ? sim->settings->config->drain_ms : 0);
}

static uint64_t main_act(struct sim *sim) {
    uint64_t now_ms = clock_monotonic_ms();
    if (sim->snapshots_made == 0)
        reload(sim);
    if (now_ms >= sim->swap_ms && !sim->stopped && sim->snapshots_made < SIM_SNAPSHOTS_MAX) {
        sim->swap_ms = now_ms + fake_random(1000);
        reload(sim);
    }
    if (now_ms >= sim->stop_ms && !sim->stopped_now) {
        sim->stopped_now = sim->stopped || fake_random(2);
        sim->stop_ms = now_ms + fake_random(4000);
        stop(sim, sim->stopped_now ? PROXY_STOP_NOW : PROXY_STOP_DRAIN);
    }
    return now_ms + 1000;
}

// --- what must hold ---------------------------------------------------------------------------

static const struct {
    enum tls_version version;
    enum tls_cipher cipher;
    size_t key_size_bytes, secret_size_bytes;
} suites[] = {
    {TLS_VERSION_1_3, TLS_AES_128_GCM, 16, 32},
    {TLS_VERSION_1_3, TLS_CHACHA20_POLY1305, 32, 32},
    {TLS_VERSION_1_3, TLS_AES_256_GCM, 32, 48},
    {TLS_VERSION_1_2, TLS_AES_128_GCM, 16, 0},
};

// What the kernel of this world takes: all, and new keys too. An older one loses a connection whose
// peer changes its keys, so nobody does there when nothing may be lost.
static struct tls_kernel kernel_make(const struct sim *sim) {
    struct tls_kernel kernel = {.rekeys = sim->clean || fake_random(2)};
    memset(kernel.takes, 1, sizeof kernel.takes);
    return kernel;
}

// Protects the gateway's end, by the kernel if `kernel` has it; what it does not take is left to
// records.
static struct tls_offload *protect(struct conn *conn, const struct tls_keys *keys,
                                   const struct tls_kernel *kernel) {
    struct leg *leg = conn->client;
    struct tls_offload_wish wish = {.tx = fake_random(2), .rx = fake_random(2)};
    struct tls_offload *offload = tls_offload_new(leg->worker->ring, leg->fd, kernel, keys, wish);
    if (!offload || !offload->rx)
        leg_secure(leg, offload ? tls_records_new_receiving(keys) : tls_records_new(keys));
    if (offload)
        leg_offload(leg, offload);
    return offload;
}

// The TLS handshake is left out: both ends get the same keys before the first byte.
static void secure(struct client *client, struct conn *conn) {
    unsigned which = fake_random(sizeof suites / sizeof suites[0]);
    struct tls_kernel kernel = kernel_make(client->sim);
    struct wire *wire = &client->wire;
    struct tls_keys keys = {.version = suites[which].version,
                            .cipher = suites[which].cipher,
                            .key_size_bytes = suites[which].key_size_bytes,
                            .secret_size_bytes = suites[which].secret_size_bytes};
    memset(keys.rx.key, 1, keys.key_size_bytes);
    memset(keys.tx.key, 2, keys.key_size_bytes);
    memset(keys.rx.secret, 3, keys.secret_size_bytes);
    memset(keys.tx.secret, 4, keys.secret_size_bytes);
    const struct tls_offload *offload = protect(conn, &keys, &kernel);
    struct tls_traffic_keys rx = keys.rx;
    keys.rx = keys.tx;
    keys.tx = rx;
    wire->records = tls_records_new(&keys);
    wire->out = offload && offload->rx ? WIRE_KERNEL : WIRE_RECORDS;
    wire->in = offload ? WIRE_KERNEL : WIRE_RECORDS;
    wire->rekeys = keys.version == TLS_VERSION_1_3;
    client->secured = true;
}

static void secure_new(struct sim *sim) {
    struct conn *conn;
    DL_FOREACH(sim->proxy.conns, conn)
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        if (!client->tls || client->secured || conn->peer.ipv4.sin_port != client->address.sin_port)
            continue;
        if (conn->client->finishing) // asked to end before it could begin
            client->tls = false;
        else
            secure(client, conn);
    }
}

static unsigned timers_set(const struct wheel *wheel) {
    unsigned count = 0;
    for (int slot = 0; slot < WHEEL_SLOTS; slot++)
        for (const struct timer *timer = wheel->slots[slot]; timer; timer = timer->next)
            count++;
    return count;
}

static void must_be(const char *what, size_t is, size_t should) {
    if (is != should)
        fake_fail("at rest: %s is %zu, not %zu", what, is, should);
}

// Everybody is gone and time has passed: only what waits for the next connection is left.
static void judge_rest(const struct sim *sim) {
    const struct proxy *proxy = &sim->proxy;
    const struct settings *settings = proxy->use->snapshot->settings;
    must_be("connections", proxy->conn_count, 0);
    must_be("kept upstream connections", proxy->pool.places != NULL, 0);
    must_be("users of the ring", proxy->worker.ring_users,
            sim->listen_count + (sim->stranger_count > 0));
    must_be("bytes in chunks", proxy->worker.chunks.used_bytes, 0);
    must_be("timers", timers_set(&proxy->worker.timers), 1); // housekeeping
    must_be("users of the snapshot", proxy->use->users, 1);
    must_be("connections of the process", proxy->shared->connections, 0);
    must_be("connections of the site", settings->counts[0]->connections, 0);
}

static void judge_now(const struct sim *sim) {
    const struct worker *worker = &sim->proxy.worker;
    // One more: it may have ended, but not its legs.
    if (worker->chunks.used_bytes > (sim->proxy.conn_count + 1) * CONN_BYTES_MAX)
        fake_fail("%zu bytes wait for %u connections", worker->chunks.used_bytes,
                  sim->proxy.conn_count);
    if (clock_monotonic_ms() > sim->started_ms + WORLD_MS)
        fake_fail("somebody is still there after an hour");
    if (sim->stopped && clock_monotonic_ms() > sim->end_ms)
        fake_fail("the worker does not end in time: %u users of the ring", worker->ring_users);
}

static void judge_end(const struct sim *sim) {
    must_be("snapshots freed", sim->snapshots_freed, sim->snapshots_made);
    must_be("connections of the process", sim->shared.connections, 0);
    must_be("counts of sites", sim->counts != NULL, 0);
    must_be("connections ended", sim->proxy.counters.connections_ended,
            sim->proxy.counters.connections_accepted);
    must_be("WebSockets closed", sim->proxy.counters.websockets_closed,
            sim->proxy.counters.websockets_opened);
}

// --- the script -------------------------------------------------------------------------------

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t sim_act(void *context) {
    struct sim *sim = context;
    struct server *server;
    bool somebody = false;
    uint64_t next_ms = main_act(sim);
    secure_new(sim);
    for (unsigned i = 0; i < sim->client_count; i++) {
        next_ms = earlier(next_ms, client_act(&sim->clients[i]));
        somebody |= sim->clients[i].state != PEER_LEFT;
    }
    LL_FOREACH(sim->servers, server)
    next_ms = earlier(next_ms, server_act(server));
    for (unsigned i = 0; i < sim->stranger_count; i++) {
        struct stranger *stranger = &sim->strangers[i];
        next_ms = earlier(next_ms, stranger_act(stranger, sim->tls_listener, sim->clean));
        somebody |= stranger->state != PEER_LEFT;
    }
    judge_now(sim);
    uint64_t now_ms = clock_monotonic_ms();
    if (somebody)
        sim->quiet_ms = now_ms;
    if (now_ms > sim->quiet_ms + QUIET_MS && !sim->stopped) {
        judge_rest(sim);
        stop(sim, PROXY_STOP_NOW);
    }
    return next_ms;
}

static enum fake_dial sim_dial(void *context, const struct sockaddr *to, struct fake_peer *peer) {
    struct sim *sim = context;
    unsigned which = ntohs(((const struct sockaddr_in *)to)->sin_port) - 1u;
    enum fake_dial fate = sim->server_fates[which];
    if (!sim->clean && fake_random(6) == 0)
        fate = fake_random(2) ? FAKE_DIAL_REFUSE : FAKE_DIAL_SILENT;
    fake_trace("server %u: dialled (%d)", which, fate);
    if (fate == FAKE_DIAL_ACCEPT) {
        struct server *server = server_new(sim, peer);
        LL_PREPEND(sim->servers, server);
    }
    return fate;
}

// --- a world ----------------------------------------------------------------------------------

// How large things are: tiny queues need small messages to be through in time.
static const struct {
    struct fake_sizes queues;
    size_t max_bytes;
    unsigned piece_max;
} scales[] = {
    {{1, 3000}, 400, 30},
    {{1000, 20000}, 20000, 2000},
    {{3000, 300000}, 200000, 20000},
    {{10000, 100000}, 3000000, 60000}, // more than may be held
};

static unsigned scale_of(uint64_t seed) {
    if (seed % 100 == 99)
        return 3;
    return seed % 8 < 4 ? 0 : seed % 8 < 7 ? 1 : 2;
}

static void kernel_start(struct sim *sim, uint64_t seed, const struct fake_script *script) {
    struct fake_chances chances = {0};
    unsigned scale = scale_of(seed);
    sim->clean = seed / 8 % 2;
    struct fake_sizes queues = scales[scale].queues;
    if (sim->clean && queues.min < 50)
        queues.min = 50; // byte by byte would take longer than the gateway waits
    fake_start(seed, &chances, script, &queues);
    sim->max_bytes = scales[scale].max_bytes;
    sim->piece_max = scales[scale].piece_max;
    chances = (struct fake_chances){
        .late = (uint16_t)fake_random(700),
        .short_io = (uint16_t)fake_random(500),
        .send_full = (uint16_t)fake_random(200),
        .no_buffers = (uint16_t)fake_random(200),
        .lost_more = (uint16_t)fake_random(300),
        .spurious = (uint16_t)fake_random(5),
        .accept_error = (uint16_t)(fake_random(2) * fake_random(300)),
        .socket_error = sim->clean ? 0 : (uint16_t)fake_random(100),
    };
    fake_set_chances(&chances);
    // A listener that is closed while descriptors are short resets who still waits there.
    sim->relisten = !sim->clean || chances.accept_error == 0;
}

static void people_plan(struct sim *sim) {
    sim->flaky = fake_random(3) == 0;
    sim->strict = fake_random(3) == 0;
    sim->full = fake_random(6) == 0;
    sim->started_ms = clock_monotonic_ms();
    sim->swap_ms = fake_random(2) ? sim->started_ms + fake_random(1500) : UINT64_MAX;
    sim->stop_ms = sim->clean || fake_random(2) ? UINT64_MAX : sim->started_ms + fake_random(3000);
    // At least one server is well.
    for (unsigned i = 0; i + 1 < SIM_SERVERS; i++)
        sim->server_fates[i] = fake_random(4)   ? FAKE_DIAL_ACCEPT
                               : fake_random(2) ? FAKE_DIAL_REFUSE
                                                : FAKE_DIAL_SILENT;
    sim->stranger_count = fake_random(8) ? 0 : 1 + fake_random(SIM_STRANGERS_MAX);
    for (unsigned i = 0; i < sim->stranger_count; i++)
        stranger_start(&sim->strangers[i], sim);
    sim->client_count = 1 + fake_random(SIM_CLIENTS_MAX);
    for (unsigned i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        *client = (struct client){.sim = sim,
                                  .first = sim->call_count,
                                  .count = 1 + fake_random(SIM_CALLS_MAX / SIM_CLIENTS_MAX)};
        plan_calls(sim, client->first, client->count);
        sim->call_count += client->count;
        client_start(client);
    }
}

static void sim_start(struct sim *sim, uint64_t seed) {
    struct fake_script script = {.context = sim, .act = sim_act, .dial = sim_dial};
    struct conf_log access = {.target = LOG_TARGET_FILE, .path = "/dev/null"};
    kernel_start(sim, seed, &script);
    people_plan(sim);
    sim->listeners[0] = fake_listen();
    sim->listen_count = 1;
    if (sim->stranger_count > 0)
        sim->tls_listener = fake_listen();
    struct ring_features features = {.recv_multishot = fake_random(4) > 0,
                                     .accept_multishot = fake_random(4) > 0,
                                     .peek_offset = fake_random(4) > 0};
    sim->main_ring = ring_open(&features, 8, 8, &sim->main_counters);
    if (log_file_open(&sim->access_file, &access) < 0)
        fake_fail("/dev/null cannot be opened");
    sim->shared = (struct shared){.features = features,
                                  .main_ring = sim->main_ring,
                                  .worker_count = 1,
                                  .access_file = &sim->access_file,
                                  .snapshot_released = snapshot_released,
                                  .worker_ended = worker_ended};
}

static void sim_free(struct sim *sim) {
    settings_drop(sim->settings, &sim->counts);
    resolve_table_drop(sim->resolved);
    for (unsigned i = 0; i < sim->call_count; i++)
        plan_free(&sim->calls[i]);
    for (unsigned i = 0; i < sim->client_count; i++)
        client_free(&sim->clients[i]);
    for (unsigned i = 0; i < sim->stranger_count; i++)
        stranger_free(&sim->strangers[i]);
    while (sim->servers) {
        struct server *server = sim->servers;
        sim->servers = server->next;
        server_free(server);
    }
    log_file_close(&sim->access_file);
}

void sim_run(uint64_t seed, const char *folder) {
    struct sim *sim = the_sim = calloc(1, sizeof *sim);
    sim->folder = folder;
    sim_start(sim, seed);
    // The worker's thread plays everything: it asks for completions, and the script acts then.
    if (proxy_start(&sim->proxy, &sim->shared, 0) != 0)
        fake_fail("the worker does not start");
    proxy_join(&sim->proxy);
    while (ring_run(sim->main_ring, RING_POLL) > 0)
        continue;
    ring_close(sim->main_ring);
    sim_free(sim);
    judge_end(sim);
    fake_end();
    free(sim);
}
