/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: whatever the text, it is loaded or refused with an error, and no secret stays alive. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fuzz_config: %s\n", what);
    abort();
}

static void print_all(const struct config *config, const struct config_errors *errors)
{
    FILE *out = fopen("/dev/null", "w");
    if (out == NULL)
        return;
    config_errors_print(errors, out);
    if (config != NULL)
        config_print(config, out);
    fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct config *config = NULL;
    struct config_errors errors = {0};
    struct vault *vault = vault_new();
    require(vault != NULL, "no vault");
    enum status status = config_load_text("fuzz.ini", bytes_of(data, len), false, vault, &config, &errors);
    require((status == OK) == (config != NULL), "status and result disagree");
    require((status == OK) == (errors.errors == 0), "status and errors disagree");
    print_all(config, &errors);
    config_errors_free(&errors);
    config_free(config);
    require(vault_live(vault) == 0, "a secret stays alive");
    vault_free(vault);
    return 0;
}
