/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/host_name.h"

int connection_compare_remote(const struct connection *a, const struct connection *b)
{
    if (a->remote_name == NULL || b->remote_name == NULL) {
        int order = (a->remote_name != NULL) - (b->remote_name != NULL);
        return order != 0 ? order : address_compare(&a->remote, &b->remote);
    }
    return host_name_compare(a->remote_name, b->remote_name);
}

const char *connection_print_remote(const struct connection *c, char out[ADDRESS_TEXT])
{
    if (c->remote_name != NULL)
        return c->remote_name;
    if (c->remote.family != 0)
        return address_print(&c->remote, out);
    (void)snprintf(out, ADDRESS_TEXT, "%%any");
    return out;
}

void connection_clear(struct connection *c)
{
    secret_free(&c->psk);
    credentials_free(c->credentials);
    c->credentials = NULL;
    access_free(c->access);
    c->access = NULL;
    free(c->up);
    free(c->down);
    free(c->remote_name);
    c->up = c->down = c->remote_name = NULL;
}
