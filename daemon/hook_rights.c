/* SPDX-License-Identifier: Apache-2.0 */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/hook_runner.h"

static bool become(const struct passwd *user)
{
    if (getuid() == user->pw_uid && geteuid() == user->pw_uid)
        return true;
    return initgroups(user->pw_name, user->pw_gid) == 0 && setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
           setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0;
}

/* Neither we nor what we start can get a capability back: not even root, whom an exec gives them all. */
const char *hook_runner_give_up_rights(const char *name)
{
    errno = 0;
    const struct passwd *user = name[0] != '\0' ? getpwnam(name) : NULL;
    if (name[0] != '\0' && user == NULL)
        return "this system has no user of the name that 'user' in [gateway] has; write another, or make it";
    if (capng_get_caps_process() != 0)
        return "its capabilities cannot be read";
    capng_clear(CAPNG_SELECT_ALL);
    (void)capng_apply(CAPNG_SELECT_BOUNDS); /* takes SETPCAP; no_new_privs does the same for what we start */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return "no_new_privs was refused";
    if (user != NULL && !become(user))
        return "it cannot become the user that 'user' in [gateway] names; it needs the capabilities SETUID and SETGID "
               "at the start: start as root, or remove 'user'";
    capng_clear(CAPNG_SELECT_ALL);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return "it cannot give up its capabilities";
    return NULL;
}
