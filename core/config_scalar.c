// SPDX-License-Identifier: Apache-2.0
//
// Single values: one function for each group of types. A list's entries come through here one by
// one.
#include "core/config_read.h"

#include <assert.h>
#include <string.h>

#include "core/config_address.h"
#include "core/config_files.h"
#include "core/config_quantity.h"
#include "core/config_url.h"

static enum value_verdict scalar_read(struct config_reader *reader, const struct option *option,
                                      const struct yaml_node *value, void *out);
static enum value_verdict bool_read(const struct yaml_node *value, bool *out);
static enum value_verdict enum_read(const struct option *option, struct str text, int *out);
static enum value_verdict quantity_read(const struct option *option, const struct yaml_node *value,
                                        void *out);
static enum value_verdict quantity_parse(const struct option *option, const struct yaml_node *value,
                                         uint64_t *number);
static enum value_verdict text_read(struct config_reader *reader, const struct option *option,
                                    struct str text, const char **out);
static enum value_verdict text_check(const struct option *option, struct str text);
static enum value_verdict server_read(struct config_reader *reader, const struct yaml_node *value,
                                      struct conf_server *out);
static enum value_verdict file_read(struct config_reader *reader, const struct option *option,
                                    const struct yaml_node *value, struct conf_file *out);
static enum value_verdict log_target_read(struct config_reader *reader,
                                          const struct yaml_node *value, struct conf_log *out);
static const char *path_resolve(struct config_reader *reader, struct str path);

bool config_value_read(struct config_reader *reader, const struct option *option,
                       const struct yaml_node *value, void *out) {
    enum value_verdict verdict = VALUE_MALFORMED;
    if (value->kind == YAML_TEXT && !yaml_node_is_null(value))
        verdict = scalar_read(reader, option, value, out);
    if (verdict != VALUE_OK)
        config_value_refuse(reader, option, value, verdict);
    return verdict == VALUE_OK;
}

static enum value_verdict scalar_read(struct config_reader *reader, const struct option *option,
                                      const struct yaml_node *value, void *out) {
    union {
        bool boolean;
        int word;
        uint64_t number;
        const char *text;
        struct conf_cidr cidr;
        struct conf_server server;
        struct conf_file file;
        struct conf_log log;
    } unused;
    if (!out)
        out = &unused;
    switch (option->type) {
    case OPTION_BOOL:
        return bool_read(value, out);
    case OPTION_ENUM:
        return enum_read(option, value->text, out);
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION_MS:
    case OPTION_DURATION_S:
    case OPTION_RATE:
        return quantity_read(option, value, out);
    case OPTION_CIDR:
        return conf_cidr_parse(value->text, out);
    case OPTION_SERVER:
        return server_read(reader, value, out);
    case OPTION_FILE:
        return file_read(reader, option, value, out);
    case OPTION_LOG_TARGET:
        return log_target_read(reader, value, out);
    default:
        return text_read(reader, option, value->text, out);
    }
}

// YAML 1.1's other spellings (yes, on) are refused: YAML 1.2 and the schema take them as texts.
static enum value_verdict bool_read(const struct yaml_node *value, bool *out) {
    bool is_true = str_eq(value->text, STR("true"));
    if (value->style == YAML_QUOTED || (!is_true && !str_eq(value->text, STR("false"))))
        return VALUE_MALFORMED;
    *out = is_true;
    return VALUE_OK;
}

static enum value_verdict enum_read(const struct option *option, struct str text, int *out) {
    return value_word_find(option->values, text, out) ? VALUE_OK : VALUE_MALFORMED;
}

static enum value_verdict quantity_read(const struct option *option, const struct yaml_node *value,
                                        void *out) {
    uint64_t number = 0;
    if (option->word && str_eq(value->text, str_from(option->word))) {
        number = strcmp(option->word, "unlimited") == 0 ? CONFIG_UNLIMITED : 0;
    } else {
        enum value_verdict verdict = quantity_parse(option, value, &number);
        if (verdict != VALUE_OK)
            return verdict;
        if (number < option->min || number > option->max)
            return VALUE_OUT_OF_RANGE;
    }
    if (option->type == OPTION_DURATION_S)
        number /= QUANTITY_SECOND_MS;

    if (option->field.size_bytes == sizeof(uint32_t)) {
        assert(number <= UINT32_MAX); // the row's range sees to it
        *(uint32_t *)out = (uint32_t)number;
    } else {
        *(uint64_t *)out = number;
    }
    return VALUE_OK;
}

static enum value_verdict quantity_parse(const struct option *option, const struct yaml_node *value,
                                         uint64_t *number) {
    switch (option->type) {
    case OPTION_NUMBER:
        if (value->style == YAML_QUOTED)
            return VALUE_MALFORMED;
        return quantity_number_parse(value->text, number);
    case OPTION_SIZE:
        return quantity_size_parse(value->text, number);
    case OPTION_RATE:
        return quantity_rate_parse(value->text, number);
    default:
        return quantity_duration_parse(value->text, number);
    }
}

static enum value_verdict text_read(struct config_reader *reader, const struct option *option,
                                    struct str text, const char **out) {
    char host[CONF_HOST_SIZE];
    enum value_verdict verdict;
    switch (option->type) {
    case OPTION_PREFIX:
        return url_prefix_parse(text, reader->arena, out);
    case OPTION_HOST:
        verdict = conf_host_parse(text, host);
        if (verdict == VALUE_OK)
            *out = arena_copy(reader->arena, host, strlen(host));
        return verdict;
    case OPTION_PATH:
        verdict = text_check(option, text);
        if (verdict == VALUE_OK)
            *out = path_resolve(reader, text);
        return verdict;
    default:
        verdict = text_check(option, text);
        if (verdict == VALUE_OK)
            *out = arena_copy(reader->arena, text.ptr, text.len);
        return verdict;
    }
}

static bool is_name(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter_or_digit =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && (i == 0 || !strchr("-_.", c)))
            return false;
    }
    return text.len >= 1 && text.len <= 64;
}

// RFC 9110 §5.6.2, token.
static bool is_field_name(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter_or_digit =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return text.len > 0;
}

// Only that it can be one: mail servers decide the rest.
static bool is_email(struct str text) {
    const char *at = memchr(text.ptr, '@', text.len);
    return at && at > text.ptr && at + 1 < text.ptr + text.len &&
           !memchr(at + 1, '@', (size_t)(text.ptr + text.len - at - 1)) &&
           !memchr(text.ptr, ' ', text.len);
}

static enum value_verdict text_check(const struct option *option, struct str text) {
    struct sockaddr_storage addresses[2];
    size_t count;
    struct str unknown;
    int place;
    switch (option->type) {
    case OPTION_BODY:
        return VALUE_OK;
    case OPTION_NAME:
        return is_name(text) ? VALUE_OK : VALUE_MALFORMED;
    case OPTION_FIELD_NAME:
        return is_field_name(text) ? VALUE_OK : VALUE_MALFORMED;
    case OPTION_EMAIL:
        if (!is_email(text))
            return VALUE_MALFORMED;
        break;
    case OPTION_DIRECTORY:
        if (!value_word_find("letsencrypt|letsencrypt-staging", text, &place) &&
            !(str_starts(text, STR("https://")) && text.len > strlen("https://")))
            return VALUE_MALFORMED;
        break;
    case OPTION_HTTPS_URL:
        if (!str_starts(text, STR("https://")) || text.len == strlen("https://"))
            return VALUE_MALFORMED;
        break;
    case OPTION_LISTEN:
        return conf_listen_parse(text, addresses, &count);
    case OPTION_TEMPLATE:
        return url_template_check(text, option->values, &unknown);
    case OPTION_REDIRECT:
        return url_redirect_check(text, option->values, &unknown);
    default:
        break;
    }
    return text.len == 0 ? VALUE_MALFORMED : url_line_check(text);
}

static enum value_verdict server_read(struct config_reader *reader, const struct yaml_node *value,
                                      struct conf_server *out) {
    char host[CONF_HOST_SIZE];
    enum value_verdict verdict = conf_server_parse(value->text, host, &out->port);
    if (verdict != VALUE_OK)
        return verdict;
    out->pos = value->pos;
    out->text = arena_copy(reader->arena, value->text.ptr, value->text.len);
    out->host = arena_copy(reader->arena, host, strlen(host));
    return VALUE_OK;
}

static enum value_verdict file_read(struct config_reader *reader, const struct option *option,
                                    const struct yaml_node *value, struct conf_file *out) {
    enum value_verdict verdict = text_check(option, value->text);
    if (verdict != VALUE_OK)
        return verdict;
    *out = (struct conf_file){value->pos, path_resolve(reader, value->text)};
    config_file_check(reader, out->pos, out->path);
    return VALUE_OK;
}

// A word without '/' and '.' is no file name here: it is a misspelt "stderr" more often.
static enum value_verdict log_target_read(struct config_reader *reader,
                                          const struct yaml_node *value, struct conf_log *out) {
    static const enum log_target targets[] = {LOG_TARGET_NONE, LOG_TARGET_STDERR,
                                              LOG_TARGET_STDOUT};
    int place;
    if (value_word_find("none|stderr|stdout", value->text, &place)) {
        out->target = targets[place];
        return VALUE_OK;
    }
    if (str_starts(value->text, STR("syslog:"))) {
        char host[CONF_HOST_SIZE];
        uint16_t port;
        enum value_verdict verdict =
            conf_server_parse(str_skip(value->text, strlen("syslog:")), host, &port);
        if (verdict == VALUE_OK) {
            out->target = LOG_TARGET_STDERR;
            problems_add(reader->problems, PROBLEM_NOTE, value->pos,
                         "%.*s: accepted, not active yet; the log goes to stderr",
                         STR_SHOWN(value->text));
        }
        return verdict;
    }
    if (!memchr(value->text.ptr, '/', value->text.len) &&
        !memchr(value->text.ptr, '.', value->text.len))
        return VALUE_MALFORMED;
    enum value_verdict verdict = url_line_check(value->text);
    if (verdict != VALUE_OK)
        return verdict;
    out->target = LOG_TARGET_FILE;
    out->path = path_resolve(reader, value->text);
    return VALUE_OK;
}

static const char *path_resolve(struct config_reader *reader, struct str path) {
    const char *folder = reader->config->folder;
    if (path.ptr[0] == '/' || strcmp(folder, ".") == 0)
        return arena_copy(reader->arena, path.ptr, path.len);
    size_t folder_bytes = strlen(folder);
    bool has_slash = folder_bytes > 0 && folder[folder_bytes - 1] == '/';
    return arena_printf(reader->arena, "%s%s%.*s", folder, has_slash ? "" : "/", STR_ARG(path));
}
