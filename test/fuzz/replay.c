/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files without libFuzzer: each argument is a file or a folder of files. A few built-in inputs
 * run always, so that a target without a corpus is tested too.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

/* In memory of exactly that size, so that a sanitizer sees a read too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static size_t run_builtin(void)
{
    static const uint8_t zeros[64];
    run(zeros, 0);
    run(zeros, 1);
    run(zeros, sizeof zeros);
    return 3;
}

static size_t run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    size_t ran = 0;
    if (file != NULL && data != NULL) {
        run(data, fread(data, 1, INPUT_MAX, file));
        ran = 1;
    } else {
        fprintf(stderr, "%s: cannot be read\n", path);
    }
    if (file != NULL)
        fclose(file);
    free(data);
    return ran;
}

static size_t run_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    size_t ran = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char name[4096];
        int len = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof name)
            ran += run_file(name);
    }
    closedir(folder);
    return ran;
}

int main(int argc, char **argv)
{
    size_t ran = run_builtin();
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0)
            fprintf(stderr, "%s: not there; only the built-in inputs run\n", argv[i]);
        else
            ran += S_ISDIR(info.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
    }
    printf("%zu inputs\n", ran);
    return 0;
}
