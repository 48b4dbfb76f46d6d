// SPDX-License-Identifier: Apache-2.0
#include "bench/acceptor.h"

#include "bench/process.h"
#include "core/container.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RETRY_MS = 100 };

static void accept_done(struct op *op, int result, uint8_t *buffer);
static void retry_fired(struct timer *timer);

static void submit(struct acceptor *acceptor) {
    ring_accept(acceptor->worker->ring, &acceptor->op, acceptor->listener);
}

void acceptor_start(struct acceptor *acceptor, struct worker *worker) {
    acceptor->worker = worker;
    acceptor->op.done = accept_done;
    acceptor->retry.fired = retry_fired;
    submit(acceptor);
}

static void accept_done(struct op *op, int result, uint8_t *buffer) {
    (void)buffer;
    struct acceptor *acceptor = container_of(op, struct acceptor, op);
    struct worker *worker = acceptor->worker;
    if (result >= 0)
        acceptor->accepted(acceptor, result);
    else
        acceptor_want_tell(result);
    if (op->submitted)
        return;
    if (result >= 0)
        submit(acceptor);
    else // there may be some soon
        timer_set(&worker->timers, &acceptor->retry, worker->now_ms + RETRY_MS);
}

static void retry_fired(struct timer *timer) {
    submit(container_of(timer, struct acceptor, retry));
}

void acceptor_want_tell(int error) {
    static bool is_told; // atomic: of all threads together
    bool wants_files = error == -EMFILE;
    if (!wants_files && error != -ENFILE && error != -ENOMEM && error != -ENOBUFS)
        return; // the client's doing: it has gone before it was accepted
    if (__atomic_exchange_n(&is_told, true, __ATOMIC_RELAXED))
        return;
    if (wants_files)
        fprintf(stderr,
                "ringway-bench: all %" PRIu64 " open files that the hard limit allows are in use, "
                "so no further connection is served until others end; for more, raise the limit "
                "(ulimit -Hn) and start again\n",
                process_files_allow(0));
    else
        fprintf(stderr, "ringway-bench: no further connection is served until others end: %s\n",
                strerror(-error));
}
