/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/login.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/table.h"
#include "crypto/password.h"

struct login {
    uv_work_t work;
    struct logins *logins;
    uint64_t ticket;
    char hash[PASSWORD_HASH]; /* of the user, or of nobody; a copy, since a reload brings other users */
    struct secret password;   /* owned */
    bool known, right;
    struct login *prev, *next;
};

static void login_free(struct login *login)
{
    secret_free(&login->password);
    wipe(login->hash, sizeof login->hash);
    free(login);
}

/* In a thread: touches nothing but this login, and reads its password. */
static void look(uv_work_t *work)
{
    struct login *login = work->data;
    bool right = password_verify(login->hash, secret_bytes(&login->password));
    login->right = right && login->known;
}

static void run_next(struct logins *logins);

static void finished(uv_work_t *work, int status)
{
    struct login *login = work->data;
    struct logins *logins = login->logins;
    uint64_t ticket = login->ticket;
    bool right = login->right && status == 0;
    logins->running--;
    login_free(login);
    if (logins->closed)
        return;
    logins->answer(logins->arg, ticket, right);
    run_next(logins);
}

static void run_next(struct logins *logins)
{
    while (logins->running < LOGINS_AT_ONCE && logins->waiting != NULL) {
        struct login *login = logins->waiting;
        DL_DELETE(logins->waiting, login);
        logins->waiting_count--;
        login->work.data = login;
        if (uv_queue_work(logins->loop, &login->work, look, finished) == 0) {
            logins->running++;
            continue;
        }
        uint64_t ticket = login->ticket;
        login_free(login);
        logins->answer(logins->arg, ticket, false);
    }
}

enum status logins_add(struct logins *logins, uint64_t ticket, const struct users *users, struct bytes user,
                       struct bytes password)
{
    if (logins->waiting_count == LOGINS_WAITING_MAX)
        return ERR_LIMIT;
    struct login *login = calloc(1, sizeof *login);
    enum status status =
        login != NULL ? secret_copy(logins->vault, password.data, password.len, &login->password) : ERR_MEMORY;
    if (status != OK) {
        free(login);
        return status;
    }
    const char *hash = users_find(users, user);
    login->logins = logins;
    login->ticket = ticket;
    login->known = hash != NULL;
    (void)snprintf(login->hash, sizeof login->hash, "%s", hash != NULL ? hash : password_hash_of_nobody());
    DL_APPEND(logins->waiting, login);
    logins->waiting_count++;
    if (logins->running < LOGINS_AT_ONCE && logins->waiting == login)
        run_next(logins);
    return OK;
}

void logins_close(struct logins *logins)
{
    struct login *login, *next;
    logins->closed = true;
    DL_FOREACH_SAFE (logins->waiting, login, next) {
        DL_DELETE(logins->waiting, login);
        login_free(login);
    }
    logins->waiting_count = 0;
}
