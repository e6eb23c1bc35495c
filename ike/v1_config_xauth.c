/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XAUTH (draft-ietf-ipsec-isakmp-xauth-06): user and password, after phase 1 has shown that the peer has the key of the
 * group. Only the generic type: what asks for more than a password is refused by name. A server allows one try for each
 * phase 1, and so many in a time for each user and each address.
 */
#include <stdio.h>
#include <string.h>

#include "ike/net.h"
#include "ike/peer.h"
#include "ike/sa.h"
#include "ike/v1_config.h"

bool xauth_is(const struct v1_attrs *attrs)
{
    for (size_t i = 0; i < attrs->count; i++)
        if (attrs->items[i].type >= XAUTH_TYPE && attrs->items[i].type <= XAUTH_ANSWER)
            return true;
    return false;
}

/* --- server --- */

enum status xauth_ask(struct ike *ike, struct ike_sa *sa)
{
    struct v1_message m;
    enum status status = config_ask_begin(ike, sa, ATTR_REQUEST, &m);
    if (status != OK)
        return status;
    v1_attr_write(&m.w, XAUTH_USER_NAME, (struct bytes){0});
    v1_attr_write(&m.w, XAUTH_USER_PASSWORD, (struct bytes){0});
    return config_ask(ike, sa, &m);
}

static enum status tell(struct ike *ike, struct ike_sa *sa, uint16_t outcome)
{
    struct v1_message m;
    enum status status = config_ask_begin(ike, sa, ATTR_SET, &m);
    if (status != OK)
        return status;
    v1_attr_write_brief(&m.w, XAUTH_STATUS, outcome);
    return config_ask(ike, sa, &m);
}

static void refuse(struct ike *ike, struct ike_sa *sa, const char *why)
{
    char end[ENDPOINT_TEXT], user[IDENTITY_TEXT];
    ike_drop(ike, IKE_DROP_AUTHENTICATION, &sa->path, "%s: AUTHENTICATION_FAILED: XAUTH of %s: %s",
             connection_of(ike, sa->connection)->name, net_name(&sa->config->user, user), why);
    ike_say(ike, LOG_DEBUG, sa->connection, "XAUTH refused at %s", endpoint_print(&sa->path.remote, end));
    sa->config->step = CONFIG_REFUSED;
    enum status status = tell(ike, sa, XAUTH_FAIL);
    if (status != OK)
        config_fail(ike, sa, status_text(status));
}

static uint64_t site_digest(const struct ike *ike, const struct address *a)
{
    return hash_short(ike->seed, a->bytes, a->family == 4 ? 4 : 8);
}

/* A user of this connection: two may share a name. By name, since the number changes when the configuration does. */
static uint64_t user_digest(const struct ike *ike, const struct ike_sa *sa)
{
    const struct identity *user = &sa->config->user;
    const char *name = connection_of(ike, sa->connection)->name;
    uint8_t key[CONNECTION_NAME_MAX + 1 + USER_NAME_MAX] = {0};
    memcpy(key, name, strlen(name));
    memcpy(key + CONNECTION_NAME_MAX + 1, user->data, user->len);
    return hash_short(ike->seed, key, CONNECTION_NAME_MAX + 1 + (size_t)user->len);
}

static const struct throttle_rate of_user = {LOGIN_USER_BURST, LOGIN_USER_EVERY};
static const struct throttle_rate of_site = {LOGIN_SITE_BURST, LOGIN_SITE_EVERY};

/* A try is paid for when it begins, so that many at once do not slip through, and paid back when it was right. */
static bool may_try(struct ike *ike, const struct ike_sa *sa)
{
    return throttle_take(&ike->login_sites, &of_site, site_digest(ike, &sa->path.remote.address), ike->now_ms) &&
           throttle_take(&ike->login_users, &of_user, user_digest(ike, sa), ike->now_ms);
}

static void accept(struct ike *ike, struct ike_sa *sa)
{
    char user[IDENTITY_TEXT], end[ENDPOINT_TEXT];
    /* Who knows one password must not try others without an end by logging in between. */
    throttle_give_back(&ike->login_sites, &of_site, site_digest(ike, &sa->path.remote.address));
    throttle_forgive(&ike->login_users, user_digest(ike, sa));
    ike_say(ike, LOG_INFO, sa->connection, "XAUTH: user %s at %s is logged in", net_name(&sa->config->user, user),
            endpoint_print(&sa->path.remote, end));
    enum status status = tell(ike, sa, XAUTH_OK);
    if (status == OK)
        status = ike_sa_set_user(sa, &sa->config->user);
    if (status != OK)
        config_fail(ike, sa, status_text(status));
    else
        config_done(ike, sa);
}

static void conclude(struct ike *ike, struct ike_sa *sa, bool right)
{
    if (right)
        accept(ike, sa);
    else
        refuse(ike, sa, "user or password is wrong");
}

/* What is wrong with the answer, before anybody looks at the password; NULL: nothing. */
static const char *find_fault(const struct v1_attrs *attrs, const struct v1_attr *name, const struct v1_attr *password)
{
    if (v1_attr_find(attrs, XAUTH_STATUS) != NULL)
        return "the client refuses to log in";
    if (v1_attr_number(attrs, XAUTH_TYPE, XAUTH_GENERIC) != XAUTH_GENERIC)
        return "the client answers another type of XAUTH than the generic one";
    if (name == NULL || password == NULL || name->value.len == 0 || password->value.len == 0)
        return "the client gave no user or no password";
    if (name->value.len > USER_NAME_MAX || password->value.len > XAUTH_PASSWORD_MAX)
        return "the user name or the password is too long";
    return NULL;
}

void xauth_on_reply(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs)
{
    struct config *config = sa->config;
    const struct v1_attr *name = v1_attr_find(attrs, XAUTH_USER_NAME);
    const struct v1_attr *password = v1_attr_find(attrs, XAUTH_USER_PASSWORD);
    const char *fault = find_fault(attrs, name, password);
    config->user = (struct identity){.type = ID_KEY_ID};
    if (name != NULL && name->value.len > 0) {
        config->user.len = (uint16_t)(name->value.len < USER_NAME_MAX ? name->value.len : USER_NAME_MAX);
        memcpy(config->user.data, name->value.data, config->user.len);
    }
    if (fault == NULL && !may_try(ike, sa))
        fault = "too many wrong passwords: held back for a while, whatever the password";
    if (fault != NULL) {
        refuse(ike, sa, fault);
        return;
    }
    config->step = CONFIG_CHECKING;
    enum xauth_verdict verdict =
        ike->setup.ops.xauth_check(ike->setup.ops.arg, sa->own_spi, sa->connection, name->value, password->value);
    if (verdict != XAUTH_LATER)
        conclude(ike, sa, verdict == XAUTH_RIGHT);
}

void ike_xauth_answer(struct ike *ike, uint64_t now_ms, uint64_t ticket, bool right)
{
    struct ike_sa *sa = NULL;
    ike->now_ms = now_ms;
    HASH_FIND(by_spi, ike->sas, &ticket, sizeof ticket, sa);
    if (sa != NULL && sa->state == SA_CONFIGURING && sa->config->step == CONFIG_CHECKING)
        conclude(ike, sa, right);
}

void xauth_on_heard(struct ike *ike, struct ike_sa *sa)
{
    if (sa->config->step == CONFIG_REFUSED) {
        config_fail(ike, sa, "AUTHENTICATION_FAILED: XAUTH: user or password is wrong");
        return;
    }
    const struct access *access = connection_of(ike, sa->connection)->access;
    if (!access->push || !access_has_pool(access) || sa->config->pushed)
        return;
    sa->config->pushed = true;
    enum status status = net_push(ike, sa);
    if (status != OK)
        config_fail(ike, sa, status_text(status));
}

/* --- client --- */

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"generic", "RADIUS-CHAP", "OTP", "S/KEY"};
    return type < sizeof names / sizeof *names ? names[type] : "of an unknown kind";
}

/* Why we cannot answer; false: we can. */
static bool is_beyond_us(const struct v1_attrs *a, const struct config *config, char *why, size_t why_len)
{
    static const struct {
        uint16_t type;
        const char *name;
    } challenges[] = {{XAUTH_PASSCODE, "a passcode"},
                      {XAUTH_CHALLENGE, "an answer to a challenge"},
                      {XAUTH_NEXT_PIN, "a new PIN"},
                      {XAUTH_ANSWER, "an answer to a question"}};
    uint32_t type = v1_attr_number(a, XAUTH_TYPE, XAUTH_GENERIC);
    if (type != XAUTH_GENERIC) {
        snprintf(why, why_len, "the concentrator asks for XAUTH of type %u (%s): esptun knows user and password only",
                 (unsigned)type, type_name(type));
        return true;
    }
    for (size_t i = 0; i < sizeof challenges / sizeof *challenges; i++)
        if (v1_attr_find(a, challenges[i].type) != NULL) {
            snprintf(why, why_len, "the concentrator asks for %s: esptun knows user and password only",
                     challenges[i].name);
            return true;
        }
    if (v1_attr_find(a, XAUTH_USER_PASSWORD) != NULL && config->password_sent) {
        snprintf(why, why_len,
                 "AUTHENTICATION_FAILED: XAUTH: the concentrator asks for the password again: compare "
                 "xauth_user and xauth_password_file with what it knows");
        return true;
    }
    return false;
}

static void say_message(const struct ike *ike, const struct ike_sa *sa, const struct v1_attrs *a)
{
    char shown[ACCESS_BANNER];
    const struct v1_attr *message = v1_attr_find(a, XAUTH_MESSAGE);
    if (message != NULL && message->value.len > 0)
        ike_say(ike, LOG_INFO, sa->connection, "the concentrator says: %s",
                log_escape(shown, sizeof shown, (const char *)message->value.data, message->value.len));
}

/* Not tried again by ourselves: the account could be locked. */
static void give_up(struct ike *ike, struct ike_sa *sa, const char *why)
{
    if (sa->state == SA_CONFIGURING)
        sa->peer->down = true;
    config_fail(ike, sa, why);
}

static void write_login(struct writer *w, const struct v1_attrs *asked, const struct access *access)
{
    if (v1_attr_find(asked, XAUTH_TYPE) != NULL)
        v1_attr_write_brief(w, XAUTH_TYPE, XAUTH_GENERIC);
    if (v1_attr_find(asked, XAUTH_USER_NAME) != NULL)
        v1_attr_write(w, XAUTH_USER_NAME, bytes_of(access->user, strlen(access->user)));
    if (v1_attr_find(asked, XAUTH_USER_PASSWORD) != NULL)
        v1_attr_write(w, XAUTH_USER_PASSWORD, secret_bytes(&access->password));
}

void xauth_on_request(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest)
{
    char why[192];
    bool beyond = is_beyond_us(a, sa->config, why, sizeof why);
    struct v1_message m = config_answer_begin(ike, sa, a);
    say_message(ike, sa, a);
    if (beyond) /* draft-ietf-ipsec-isakmp-xauth-06 4: so says a client that cannot go on */
        v1_attr_write_brief(&m.w, XAUTH_STATUS, XAUTH_FAIL);
    else
        write_login(&m.w, a, connection_of(ike, sa->connection)->access);
    sa->config->password_sent |= v1_attr_find(a, XAUTH_USER_PASSWORD) != NULL;
    enum status status = config_answer(ike, sa, &m, digest);
    if (beyond)
        give_up(ike, sa, why);
    else if (status != OK)
        config_fail(ike, sa, status_text(status));
}

static void acknowledge(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest)
{
    struct v1_message m = config_answer_begin(ike, sa, a);
    v1_attr_write(&m.w, XAUTH_STATUS, (struct bytes){0});
    if (config_answer(ike, sa, &m, digest) != OK)
        ike_say(ike, LOG_ERROR, sa->connection, "XAUTH: the status could not be acknowledged");
}

void xauth_on_status(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest)
{
    say_message(ike, sa, a);
    acknowledge(ike, sa, a, digest);
    if (v1_attr_number(a, XAUTH_STATUS, XAUTH_FAIL) != XAUTH_OK) {
        give_up(ike, sa,
                "AUTHENTICATION_FAILED: XAUTH: the concentrator does not accept user and password: compare xauth_user "
                "and xauth_password_file with what it knows");
        return;
    }
    sa->config->password_sent = false;
    if (sa->config->step != CONFIG_LOGIN)
        return;
    ike_say(ike, LOG_INFO, sa->connection, "XAUTH: logged in as %s", connection_of(ike, sa->connection)->access->user);
    sa->config->step = CONFIG_ADDRESS;
    enum status status = connection_of(ike, sa->connection)->access->push ? OK : net_ask(ike, sa);
    if (status != OK)
        config_fail(ike, sa, status_text(status));
}
