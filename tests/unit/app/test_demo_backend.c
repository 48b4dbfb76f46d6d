// SPDX-License-Identifier: Apache-2.0
//
// The demo's application as the gateway meets it: over sockets.
#include "app/demo_backend.h"

#include "app/demo_page.h"
#include "core/str.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static struct demo_backend *backend;

static void backend_start(void) {
    ck_assert_int_eq(demo_backend_start(&backend), 0);
}

static void backend_stop(void) {
    demo_backend_stop(backend);
}

static int connected(void) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(demo_backend_port(backend)),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_all(int fd, struct str bytes) {
    ck_assert_int_eq(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

// Reads up to `size` bytes, fewer only at the end of the stream.
static size_t receive(int fd, char *out, size_t size) {
    size_t got = 0;
    ssize_t count;
    while (got < size && (count = recv(fd, out + got, size - got, 0)) > 0)
        got += (size_t)count;
    return got;
}

// Reads a response head, terminated.
static const char *receive_head(int fd) {
    static char head[4096];
    size_t size_bytes = 0;
    while (size_bytes < sizeof(head) - 1 && receive(fd, head + size_bytes, 1) == 1) {
        head[++size_bytes] = '\0';
        if (size_bytes >= 4 && strcmp(head + size_bytes - 4, "\r\n\r\n") == 0)
            return head;
    }
    ck_abort_msg("no head: %s", head);
}

#define UPGRADE                                                                                    \
    "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"       \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static int upgraded(void) {
    int fd = connected();
    send_all(fd, STR(UPGRADE));
    const char *head = receive_head(fd);
    ck_assert_ptr_eq(strstr(head, "HTTP/1.1 101 "), head);
    ck_assert_ptr_nonnull(strstr(head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    return fd;
}

START_TEST(the_page_is_served_and_the_connection_kept) {
    static char body[1 << 20];
    int fd = connected();
    for (int i = 0; i < 3; i++) {
        send_all(fd, STR("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        const char *head = receive_head(fd);
        ck_assert_ptr_eq(strstr(head, "HTTP/1.1 200 "), head);
        ck_assert_ptr_nonnull(strstr(head, "text/html"));
        ck_assert_uint_eq(receive(fd, body, demo_page_size_bytes), demo_page_size_bytes);
        ck_assert_int_eq(memcmp(body, demo_page, demo_page_size_bytes), 0);
    }
    close(fd);
}
END_TEST

START_TEST(pipelined_requests_are_all_answered) {
    int fd = connected();
    for (int i = 0; i < 40; i++)
        send_all(fd, STR("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    for (int i = 0; i < 40; i++)
        ck_assert_ptr_nonnull(strstr(receive_head(fd), " 200 "));
    close(fd);
}
END_TEST

struct refusal {
    const char *request, *status;
};

static const struct refusal refusals[] = {
    {"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", " 404 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", " 405 "},
    {"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", " 400 "},
    {"GET / HTTP/1.1\r\n\r\n", " 400 "},
};

START_TEST(the_rest_is_refused) {
    int fd = connected();
    char rest[4096];
    send_all(fd, str_from(refusals[_i].request));
    ck_assert_ptr_nonnull(strstr(receive_head(fd), refusals[_i].status));
    ck_assert_uint_lt(receive(fd, rest, sizeof(rest)), sizeof(rest)); // it ends
    close(fd);
}
END_TEST

START_TEST(messages_are_echoed_until_close) {
    char out[64];
    int fd = upgraded();
    send_all(fd, STR("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")); // RFC 6455 §5.7
    ck_assert_uint_eq(receive(fd, out, 7), 7);
    ck_assert_int_eq(memcmp(out, "\x81\x05Hello", 7), 0);
    send_all(fd, STR("\x88\x82\x37\xfa\x21\x3d\x34\x12"));
    ck_assert_uint_eq(receive(fd, out, sizeof(out)), 4);
    ck_assert_int_eq(memcmp(out, "\x88\x02\x03\xe8", 4), 0);
    close(fd);
}
END_TEST

START_TEST(frames_right_behind_the_request_are_not_lost) {
    char out[64];
    int fd = connected();
    send_all(fd, STR(UPGRADE "\x81\x80\x37\xfa\x21\x3d"));
    receive_head(fd);
    ck_assert_uint_eq(receive(fd, out, 2), 2);
    ck_assert_int_eq(memcmp(out, "\x81\x00", 2), 0);
    close(fd);
}
END_TEST

#define BIG_SIZE (64 * 1024 * 1024)

// Sends 64 MB in one frame with a mask of zeros and reads it back meanwhile.
START_TEST(a_64_mb_frame_streams_through) {
    static char block[1 << 16];
    int fd = upgraded();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    send_all(fd, (struct str){"\x82\xff\0\0\0\0\x04\0\0\0\0\0\0\0", 14});
    size_t sent = 0, received = 0;
    while (received < BIG_SIZE + 10) {
        struct pollfd polled = {fd, POLLIN, 0};
        if (sent < BIG_SIZE)
            polled.events |= POLLOUT;
        ck_assert_int_gt(poll(&polled, 1, 20000), 0);
        size_t left = BIG_SIZE - sent < sizeof(block) ? BIG_SIZE - sent : sizeof(block);
        ssize_t count = left > 0 ? send(fd, block, left, MSG_NOSIGNAL) : 0;
        sent += count > 0 ? (size_t)count : 0;
        count = recv(fd, block, sizeof(block), 0);
        ck_assert_int_ne(count, 0);
        received += count > 0 ? (size_t)count : 0;
    }
    ck_assert_uint_eq(received, BIG_SIZE + 10);
    close(fd);
}
END_TEST

START_TEST(more_clients_than_it_has_room_for_wait) {
    enum { TOO_MANY = 300 };
    int fds[TOO_MANY];
    for (int i = 0; i < TOO_MANY; i++)
        fds[i] = connected();
    for (int i = 0; i < TOO_MANY; i++) {
        send_all(fds[i], STR("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        ck_assert_ptr_nonnull(strstr(receive_head(fds[i]), " 200 "));
        close(fds[i]); // makes room
    }
}
END_TEST

START_TEST(it_stops_with_clients_connected) {
    int idle = connected(), open = upgraded();
    backend_stop();
    char byte;
    ck_assert_uint_eq(receive(idle, &byte, 1), 0);
    ck_assert_uint_eq(receive(open, &byte, 1), 0);
    close(idle);
    close(open);
    backend_start(); // for the fixture to stop
}
END_TEST

int main(void) {
    Suite *suite = suite_create("demo_backend");
    TCase *tcase = tcase_create("demo_backend");
    tcase_add_checked_fixture(tcase, backend_start, backend_stop);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, the_page_is_served_and_the_connection_kept);
    tcase_add_test(tcase, pipelined_requests_are_all_answered);
    tcase_add_loop_test(tcase, the_rest_is_refused, 0, COUNT(refusals));
    tcase_add_test(tcase, messages_are_echoed_until_close);
    tcase_add_test(tcase, frames_right_behind_the_request_are_not_lost);
    tcase_add_test(tcase, a_64_mb_frame_streams_through);
    tcase_add_test(tcase, more_clients_than_it_has_room_for_wait);
    tcase_add_test(tcase, it_stops_with_clients_connected);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
