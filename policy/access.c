/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/access.h"

#include <stdlib.h>

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    secret_free(&access->password);
    users_free(access->users);
    free(access);
}

bool access_has_pool(const struct access *access)
{
    return access->pool[FAMILY_IPV4].first.family != 0 || access->pool[FAMILY_IPV6].first.family != 0;
}
