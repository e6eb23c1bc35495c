/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/connection.h"

#include <stdlib.h>

void connection_clear(struct connection *c)
{
    secret_free(&c->psk);
    credentials_free(c->credentials);
    c->credentials = NULL;
    access_free(c->access);
    c->access = NULL;
    free(c->up);
    free(c->down);
    c->up = c->down = NULL;
}
