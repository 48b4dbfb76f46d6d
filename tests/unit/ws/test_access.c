// SPDX-License-Identifier: Apache-2.0
//
// Access lines, exactly as users and their parsers see them.
#include "ws/access.h"

#include <check.h>
#include <stdlib.h>

static const char *formatted(const struct access_record *record, enum log_format format) {
    static char out[LINE_SIZE_MAX + 1];
    struct str line = access_format(record, format, out);
    ck_assert_ptr_eq(line.ptr, out);
    ck_assert_uint_le(line.len, LINE_SIZE_MAX);
    out[line.len] = '\0';
    return out;
}

static struct access_record request_record(void) {
    return (struct access_record){
        .event = ACCESS_REQUEST,
        .time_us = INT64_C(1795250813123456),
        .worker = 1,
        .serial = 42,
        .client = STR("203.0.113.9:5123"),
        .site = STR("shop"),
        .host = STR("shop.example"),
        .method = STR("GET"),
        .target = STR("/cart?id=1"),
        .http_minor = 1,
        .status = 200,
        .bytes_in = 310,
        .bytes_out = 12345,
        .duration_us = 1234567,
        .upstream = STR("127.0.0.1:3000"),
        .referer = STR("https://shop.example/"),
        .user_agent = STR("Mozilla/5.0 (X11)"),
        .tls_version = STR("TLSv1.3"),
        .tls_cipher = STR("TLS_AES_128_GCM_SHA256"),
    };
}

static struct access_record close_record(void) {
    struct access_record record = {
        .event = ACCESS_CLOSE,
        .time_us = INT64_C(1795250813123456),
        .worker = 0,
        .serial = 7,
        .client = STR("[2001:db8::9]:5123"),
        .site = STR("shop"),
        .bytes_in = 1000,
        .bytes_out = 2000,
        .duration_us = INT64_C(3600000005),
        .upstream = STR("127.0.0.1:3001"),
        .frames_in = 10,
        .frames_out = 20,
        .messages_in = 9,
        .messages_out = 18,
        .close_code = 1000,
        .closed_by = ACCESS_BY_CLIENT,
        .reason = STR("close handshake"),
    };
    return record;
}

START_TEST(a_request_as_text) {
    struct access_record record = request_record();
    ck_assert_str_eq(formatted(&record, LOG_TEXT),
                     "2026-11-21T08:46:53.123Z 203.0.113.9:5123 shop"
                     " \"GET /cart?id=1 HTTP/1.1\" 200 12345 \"https://shop.example/\""
                     " \"Mozilla/5.0 (X11)\" 1.234567s conn=1-42 host=shop.example in=310"
                     " up=127.0.0.1:3000 tls=TLSv1.3/TLS_AES_128_GCM_SHA256\n");
}
END_TEST

START_TEST(a_request_as_json) {
    struct access_record record = request_record();
    ck_assert_str_eq(formatted(&record, LOG_JSON),
                     "{\"time\":\"2026-11-21T08:46:53.123Z\",\"event\":\"request\","
                     "\"connection\":\"1-42\",\"client\":\"203.0.113.9:5123\",\"site\":\"shop\","
                     "\"host\":\"shop.example\",\"method\":\"GET\",\"target\":\"/cart?id=1\","
                     "\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes_in\":310,"
                     "\"bytes_out\":12345,\"duration_ms\":1234.567,"
                     "\"upstream\":\"127.0.0.1:3000\",\"referer\":\"https://shop.example/\","
                     "\"user_agent\":\"Mozilla/5.0 (X11)\",\"tls_version\":\"TLSv1.3\","
                     "\"tls_cipher\":\"TLS_AES_128_GCM_SHA256\"}\n");
}
END_TEST

START_TEST(an_upgrade_says_so) {
    struct access_record record = request_record();
    record.event = ACCESS_OPEN;
    record.status = 101;
    ck_assert_ptr_nonnull(strstr(formatted(&record, LOG_TEXT), " HTTP/1.1\" 101 "));
    ck_assert_ptr_nonnull(strstr(formatted(&record, LOG_TEXT), "_SHA256 ws=open\n"));
    ck_assert_ptr_nonnull(strstr(formatted(&record, LOG_JSON), "\"event\":\"open\""));
    ck_assert_ptr_null(strstr(formatted(&record, LOG_JSON), "close_code"));
}
END_TEST

START_TEST(an_end_has_counts_and_who_closed) {
    struct access_record record = close_record();
    ck_assert_str_eq(formatted(&record, LOG_TEXT),
                     "2026-11-21T08:46:53.123Z [2001:db8::9]:5123 shop \"-\" - 2000 \"-\" \"-\""
                     " 3600.000005s conn=0-7 host=- in=1000 up=127.0.0.1:3001 tls=- ws=close"
                     " frames=10/20 messages=9/18 code=1000 by=client"
                     " reason=\"close handshake\"\n");
    ck_assert_str_eq(formatted(&record, LOG_JSON),
                     "{\"time\":\"2026-11-21T08:46:53.123Z\",\"event\":\"close\","
                     "\"connection\":\"0-7\",\"client\":\"[2001:db8::9]:5123\",\"site\":\"shop\","
                     "\"host\":null,\"method\":null,\"target\":null,\"protocol\":null,"
                     "\"status\":null,\"bytes_in\":1000,\"bytes_out\":2000,"
                     "\"duration_ms\":3600000.005,\"upstream\":\"127.0.0.1:3001\","
                     "\"referer\":null,\"user_agent\":null,\"tls_version\":null,"
                     "\"tls_cipher\":null,\"frames_in\":10,\"frames_out\":20,"
                     "\"messages_in\":9,\"messages_out\":18,\"close_code\":1000,"
                     "\"closed_by\":\"client\",\"reason\":\"close handshake\"}\n");
}
END_TEST

START_TEST(an_end_without_close_frame_has_no_code) {
    struct access_record record = close_record();
    record.close_code = 0;
    record.closed_by = ACCESS_BY_UPSTREAM;
    record.reason = (struct str){0};
    ck_assert_ptr_nonnull(
        strstr(formatted(&record, LOG_TEXT), " code=- by=upstream reason=\"-\"\n"));
    ck_assert_ptr_nonnull(
        strstr(formatted(&record, LOG_JSON),
               "\"close_code\":null,\"closed_by\":\"upstream\",\"reason\":null}\n"));
    record.closed_by = ACCESS_BY_GATEWAY;
    ck_assert_ptr_nonnull(strstr(formatted(&record, LOG_TEXT), " by=gateway "));
}
END_TEST

START_TEST(a_client_cannot_forge_fields) {
    struct access_record record = request_record();
    record.target = STR("/\" 200 0\n1.2.3.4 \\");
    record.host = STR("a up=evil");
    record.user_agent = STR("\",\"status\":500,\"x\":\"");
    const char *text = formatted(&record, LOG_TEXT);
    ck_assert_ptr_nonnull(strstr(text, " \"GET /\\\" 200 0\\x0A1.2.3.4 \\\\ HTTP/1.1\" 200 "));
    ck_assert_ptr_nonnull(strstr(text, " host=\"a up=evil\" "));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    const char *json = formatted(&record, LOG_JSON);
    ck_assert_ptr_nonnull(strstr(json, "\"target\":\"/\\\" 200 0\\u000a1.2.3.4 \\\\\""));
    ck_assert_ptr_nonnull(
        strstr(json, "\"user_agent\":\"\\\",\\\"status\\\":500,\\\"x\\\":\\\"\""));
}
END_TEST

// The longest of everything: cut with an ellipsis, closed, one line.
START_TEST(oversized_values_are_cut) {
    static char big[100 * 1000];
    memset(big, 0x01, sizeof(big));
    struct str s = {big, sizeof(big)};
    struct access_record record = close_record();
    record.worker = record.status = record.close_code = UINT32_MAX;
    record.serial = record.duration_us = record.bytes_in = record.bytes_out = UINT64_MAX;
    record.frames_in = record.frames_out = UINT64_MAX;
    record.messages_in = record.messages_out = UINT64_MAX;
    record.client = record.site = record.host = record.method = record.target = s;
    record.upstream = record.referer = record.user_agent = record.reason = s;
    record.tls_version = record.tls_cipher = s;
    const char *json = formatted(&record, LOG_JSON);
    ck_assert_str_eq(json + strlen(json) - strlen("\\u0001…\"}\n"), "\\u0001…\"}\n");
    const char *text = formatted(&record, LOG_TEXT);
    ck_assert_str_eq(text + strlen(text) - strlen("\\x01…\"\n"), "\\x01…\"\n");
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("access");
    TCase *tcase = tcase_create("access");
    tcase_add_test(tcase, a_request_as_text);
    tcase_add_test(tcase, a_request_as_json);
    tcase_add_test(tcase, an_upgrade_says_so);
    tcase_add_test(tcase, an_end_has_counts_and_who_closed);
    tcase_add_test(tcase, an_end_without_close_frame_has_no_code);
    tcase_add_test(tcase, a_client_cannot_forge_fields);
    tcase_add_test(tcase, oversized_values_are_cut);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
