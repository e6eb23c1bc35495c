/* SPDX-License-Identifier: Apache-2.0 */
#include <cap-ng.h>
#include <sys/prctl.h>

#include "daemon/hook_runner.h"
#include "daemon/user.h"

/* Neither we nor what we start can get a capability back: not even root, whom an exec gives them all. */
const char *hook_runner_give_up_rights(const char *name)
{
    static char why[256];
    struct user user;
    const bool another = name[0] != '\0';
    if (another && user_find(name, &user, why, sizeof why) != OK)
        return why;
    if (capng_get_caps_process() != 0)
        return "its capabilities cannot be read";
    capng_clear(CAPNG_SELECT_ALL);
    (void)capng_apply(CAPNG_SELECT_BOUNDS); /* takes SETPCAP; no_new_privs does the same for what we start */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return "no_new_privs was refused";
    if (another && !user_become(&user))
        return "it cannot become the user that 'user' in [gateway] names; it needs the capabilities SETUID and SETGID "
               "at the start: start as root, or remove 'user'";
    capng_clear(CAPNG_SELECT_ALL);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return "it cannot give up its capabilities";
    return NULL;
}
