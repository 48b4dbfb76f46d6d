// SPDX-License-Identifier: Apache-2.0
//
// What may come between application data, judged record by record.
#include <check.h>

#include "tls/control.h"

static struct tls_control control;

static void start(enum tls_version version) {
    control = (struct tls_control){.version = version};
}

#define RECEIVE(content, ...)                                                                      \
    tls_control_receive(&control, content, (const uint8_t[]){__VA_ARGS__},                         \
                        sizeof((const uint8_t[]){__VA_ARGS__}))

static void fails_with(enum tls_control_verdict verdict, enum tls_alert alert) {
    ck_assert_int_eq(verdict, TLS_CONTROL_FATAL);
    ck_assert_int_eq(control.alert, alert);
    ck_assert_ptr_nonnull(control.error);
}

START_TEST(alerts_end_the_connection_or_not) {
    start((enum tls_version)_i);
    ck_assert_int_eq(RECEIVE(21, 1, 90),
                     TLS_CONTROL_CONTINUE); // user_canceled, close_notify follows
    ck_assert_int_eq(RECEIVE(21, 1, 0), TLS_CONTROL_CLOSE_NOTIFY);
    ck_assert_int_eq(RECEIVE(21, 2, 0), TLS_CONTROL_CLOSE_NOTIFY);
    fails_with(RECEIVE(21, 2, 40), TLS_ALERT_CLOSE_NOTIFY); // nothing to answer
    ck_assert_str_eq(control.error, "the peer sent the alert handshake_failure");
    fails_with(RECEIVE(21, 2, 200), TLS_ALERT_CLOSE_NOTIFY);
    ck_assert_str_eq(control.error, "the peer sent the alert unknown alert");
    fails_with(RECEIVE(21, 2), TLS_ALERT_DECODE_ERROR);
    fails_with(RECEIVE(21, 1, 0, 1, 0), TLS_ALERT_DECODE_ERROR);
}
END_TEST

START_TEST(only_tls_1_2_has_warnings) {
    start(TLS_VERSION_1_2);
    ck_assert_int_eq(RECEIVE(21, 1, 100), TLS_CONTROL_CONTINUE);
    start(TLS_VERSION_1_3);
    fails_with(RECEIVE(21, 1, 100), TLS_ALERT_CLOSE_NOTIFY);
}
END_TEST

START_TEST(key_updates_are_read_in_any_cut) {
    uint8_t update[TLS_KEY_UPDATE_BYTES];
    for (int requested = 0; requested <= 1; requested++) {
        tls_control_key_update(requested, update);
        for (size_t cut = 1; cut < sizeof update; cut++) {
            start(TLS_VERSION_1_3);
            ck_assert_int_eq(tls_control_receive(&control, 22, update, cut), TLS_CONTROL_CONTINUE);
            ck_assert_int_eq(tls_control_receive(&control, 22, update + cut, sizeof update - cut),
                             requested ? TLS_CONTROL_NEW_KEYS : TLS_CONTROL_NEW_RX_KEY);
        }
    }
}
END_TEST

START_TEST(other_messages_are_refused) {
    start(TLS_VERSION_1_3);
    fails_with(RECEIVE(22, 4), TLS_ALERT_UNEXPECTED_MESSAGE); // NewSessionTicket
    start(TLS_VERSION_1_3);
    fails_with(RECEIVE(22, 1, 0, 0, 1, 0), TLS_ALERT_UNEXPECTED_MESSAGE); // ClientHello
    start(TLS_VERSION_1_3);
    fails_with(RECEIVE(22, 24, 0, 0, 2, 0), TLS_ALERT_DECODE_ERROR);
    start(TLS_VERSION_1_3);
    fails_with(RECEIVE(22, 24, 0, 0, 1, 2), TLS_ALERT_ILLEGAL_PARAMETER);
    start(TLS_VERSION_1_3);
    fails_with(RECEIVE(22, 24, 0, 0, 1, 0, 24), TLS_ALERT_UNEXPECTED_MESSAGE);
    start(TLS_VERSION_1_3);
    fails_with(tls_control_receive(&control, 22, control.message, 0), TLS_ALERT_UNEXPECTED_MESSAGE);
    start(TLS_VERSION_1_2);
    fails_with(RECEIVE(22, 24, 0, 0, 1, 0), TLS_ALERT_UNEXPECTED_MESSAGE);
    start(TLS_VERSION_1_2);
    fails_with(RECEIVE(20, 1), TLS_ALERT_UNEXPECTED_MESSAGE);
    start(TLS_VERSION_1_2);
    fails_with(RECEIVE(99, 1), TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

START_TEST(a_message_must_not_be_interrupted) {
    start(TLS_VERSION_1_3);
    ck_assert_int_eq(RECEIVE(22, 24, 0), TLS_CONTROL_CONTINUE);
    fails_with(RECEIVE(23, 1), TLS_ALERT_UNEXPECTED_MESSAGE);
    start(TLS_VERSION_1_2);
    ck_assert_int_eq(RECEIVE(22, 1, 0, 0, 9, 1), TLS_CONTROL_CONTINUE);
    fails_with(RECEIVE(21, 1, 0), TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

START_TEST(renegotiation_is_declined_once) {
    start(TLS_VERSION_1_2);
    ck_assert_int_eq(RECEIVE(22, 1, 0), TLS_CONTROL_CONTINUE);
    ck_assert_int_eq(RECEIVE(22, 0, 4, 1, 2), TLS_CONTROL_CONTINUE);
    ck_assert_int_eq(RECEIVE(22, 3, 4), TLS_CONTROL_NO_RENEGOTIATION);
    ck_assert_int_eq(RECEIVE(23, 1), TLS_CONTROL_CONTINUE);
    fails_with(RECEIVE(22, 1, 0, 0, 1, 1), TLS_ALERT_NO_RENEGOTIATION);
    start(TLS_VERSION_1_2);
    fails_with(RECEIVE(22, 1, 0, 0x40, 1), TLS_ALERT_DECODE_ERROR); // announces too much
    start(TLS_VERSION_1_2);
    fails_with(RECEIVE(22, 1, 0, 0, 1, 1, 1), TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

START_TEST(records_without_data_are_counted) {
    start(TLS_VERSION_1_2);
    for (int i = 0; i < TLS_CONTROL_IDLE_MAX; i++)
        ck_assert_int_eq(RECEIVE(21, 1, 90), TLS_CONTROL_CONTINUE);
    ck_assert_int_eq(RECEIVE(23, 1), TLS_CONTROL_CONTINUE);
    for (int i = 0; i < TLS_CONTROL_IDLE_MAX; i++)
        ck_assert_int_eq(RECEIVE(21, 1, 90), TLS_CONTROL_CONTINUE);
    fails_with(RECEIVE(21, 1, 90), TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls: control");
    TCase *tcase = tcase_create("receive");
    tcase_add_loop_test(tcase, alerts_end_the_connection_or_not, TLS_VERSION_1_2,
                        TLS_VERSION_1_3 + 1);
    tcase_add_test(tcase, only_tls_1_2_has_warnings);
    tcase_add_test(tcase, key_updates_are_read_in_any_cut);
    tcase_add_test(tcase, other_messages_are_refused);
    tcase_add_test(tcase, a_message_must_not_be_interrupted);
    tcase_add_test(tcase, renegotiation_is_declined_once);
    tcase_add_test(tcase, records_without_data_are_counted);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}
