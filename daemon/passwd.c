/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/passwd.h"

#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/password.h"
#include "crypto/secret.h"
#include "policy/users.h"

enum { LINE = PASSWORD_MAX + 3 }; /* its end, the terminator, and one byte to see that it is too long */

/* One line without its end; the bytes of it, or -1 at the end of the input. */
static int read_line(FILE *in, char line[LINE])
{
    if (fgets(line, LINE, in) == NULL)
        return -1;
    size_t len = strcspn(line, "\r\n");
    line[len] = '\0';
    return (int)len;
}

static int ask(const char *question, FILE *in, FILE *terminal, char line[LINE])
{
    struct termios was, quiet;
    bool hidden = tcgetattr(fileno(in), &was) == 0;
    if (hidden) {
        quiet = was;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        hidden = tcsetattr(fileno(in), TCSAFLUSH, &quiet) == 0;
    }
    fprintf(terminal, "%s: ", question);
    fflush(terminal);
    int len = read_line(in, line);
    if (hidden)
        (void)tcsetattr(fileno(in), TCSAFLUSH, &was);
    fputc('\n', terminal);
    return len;
}

/* The password in line; NULL, or what is wrong. */
static const char *get(FILE *in, FILE *terminal, char line[LINE])
{
    char again[LINE];
    const char *fault = NULL;
    bool asks = isatty(fileno(in)) == 1;
    int len = asks ? ask("Password", in, terminal, line) : read_line(in, line);
    if (len > 0 && asks && (ask("Again", in, terminal, again) != len || strcmp(line, again) != 0))
        fault = "the two passwords differ: start again";
    if (len <= 0)
        fault = "there is no password: write it in one line";
    else if (len > PASSWORD_MAX)
        fault = "the password is longer than 256 bytes: take a shorter one";
    wipe(again, sizeof again);
    return fault;
}

enum status passwd(const char *name, FILE *in, FILE *out, FILE *terminal, char why[PASSWD_WHY])
{
    char line[LINE], hash[PASSWORD_HASH];
    if (!user_name_is_sound(bytes_of(name, strlen(name)))) {
        snprintf(why, PASSWD_WHY, "the name of a user has 1 to %d printable ASCII characters, no blank and no colon",
                 USER_NAME_MAX);
        return ERR_MALFORMED;
    }
    setvbuf(in, NULL, _IONBF, 0); /* no copy of the password in a buffer of the library */
    const char *fault = get(in, terminal, line);
    enum status status = fault == NULL ? password_hash(bytes_of(line, strlen(line)), hash) : ERR_MALFORMED;
    wipe(line, sizeof line);
    if (status == OK)
        fprintf(out, "%s:%s\n", name, hash);
    else
        snprintf(why, PASSWD_WHY, "%s", fault != NULL ? fault : "hashing needs 64 MiB of memory, which is not there");
    return status;
}
