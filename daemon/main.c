/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "daemon/cli.h"
#include "daemon/hook_runner.h"

int main(int argc, char *argv[])
{
    if (argc > 1 && strcmp(argv[1], HOOK_RUNNER_VERB) == 0)
        return hook_runner_main(argc, argv);
    return cli_main(argc, argv, stdout, stderr);
}
