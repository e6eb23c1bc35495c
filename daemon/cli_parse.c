/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "daemon/cli.h"
#include "daemon/config_values.h"

enum {
    TAKES_CONFIG = 1,
    TAKES_SOCKET = 2,
    TAKES_JSON = 4,
    TAKES_NAME = 8,
    TAKES_PACKET = 16,
    TAKES_LEVEL = 32,
    TAKES_WATCH = 64,
    TAKES_EXPLAIN = 128,
    TAKES_VERBOSE = 256,
};

struct verb {
    const char *word;
    enum cli_verb verb;
    unsigned takes;
};

static const struct verb verbs[] = {
    {"run", VERB_RUN, TAKES_CONFIG},
    {"check", VERB_CHECK, TAKES_CONFIG | TAKES_EXPLAIN},
    {"status", VERB_STATUS, TAKES_CONFIG | TAKES_SOCKET | TAKES_JSON | TAKES_WATCH | TAKES_VERBOSE},
    {"up", VERB_UP, TAKES_CONFIG | TAKES_SOCKET | TAKES_NAME},
    {"down", VERB_DOWN, TAKES_CONFIG | TAKES_SOCKET | TAKES_NAME},
    {"rekey", VERB_REKEY, TAKES_CONFIG | TAKES_SOCKET | TAKES_NAME},
    {"genpsk", VERB_GENPSK, 0},
    {"passwd", VERB_PASSWD, TAKES_NAME},
    {"reload", VERB_RELOAD, TAKES_CONFIG | TAKES_SOCKET},
    {"explain", VERB_EXPLAIN, TAKES_CONFIG | TAKES_SOCKET | TAKES_PACKET},
    {"log", VERB_LOG, TAKES_CONFIG | TAKES_SOCKET | TAKES_LEVEL | TAKES_NAME},
    {"monitor", VERB_MONITOR, TAKES_CONFIG | TAKES_SOCKET | TAKES_JSON},
    {"help", VERB_HELP, 0},
    {"--help", VERB_HELP, 0},
    {"-h", VERB_HELP, 0},
    {"version", VERB_VERSION, 0},
    {"--version", VERB_VERSION, 0},
    {"-V", VERB_VERSION, 0},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

struct arguments {
    int argc, at;
    char *const *argv;
    const struct verb *verb;
    struct cli *out;
    char *why;
    char packet[EXPLAIN_LINE_MAX + 2]; /* of explain: the words behind it, a blank before each */
    size_t packet_len;
};

static enum status refuse(struct arguments *args, const char *what, const char *word)
{
    char shown[96];
    snprintf(args->why, CLI_WHY, "%s '%s'", what, log_escape(shown, sizeof shown, word, strlen(word)));
    return ERR_MALFORMED;
}

static bool is_option_of_a_command(const char *word)
{
    static const char *const options[] = {"-c", "-s", "--config", "--socket", "--json", "--explain"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t len = strlen(options[i]);
        if (strncmp(word, options[i], len) == 0 && (len == 2 || word[len] == '\0' || word[len] == '='))
            return true;
    }
    return false;
}

static enum status verb_find(struct arguments *args, const char *word)
{
    const struct verb *nearest = NULL;
    unsigned best = 3;
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].word, word) == 0) {
            args->verb = &verbs[i];
            return OK;
        }
        unsigned distance = word_distance(verbs[i].word, word);
        if (distance < best && strlen(word) > 1) {
            best = distance;
            nearest = &verbs[i];
        }
    }
    if (is_option_of_a_command(word))
        return refuse(args, "the command comes first, as in esptun check -c FILE; it is missing before", word);
    enum status status = refuse(args, "unknown command", word);
    if (nearest != NULL) {
        size_t used = strlen(args->why);
        snprintf(args->why + used, CLI_WHY - used, ": did you mean '%s'?", nearest->word);
    }
    return status;
}

/* An option with a value: "-c FILE", "-cFILE", "--config FILE", "--config=FILE". ERR_NOT_FOUND: another word. */
static enum status take_value(struct arguments *args, const char *brief, const char *full, const char **out)
{
    const char *word = args->argv[args->at];
    size_t len = strlen(full);
    const char *value = NULL;
    if (strncmp(word, full, len) == 0 && word[len] == '=')
        value = word + len + 1;
    else if (word[1] != '-' && strncmp(word, brief, 2) == 0 && word[2] != '\0')
        value = word + 2;
    else if (strcmp(word, full) == 0 || strcmp(word, brief) == 0)
        value = args->at + 1 < args->argc ? args->argv[++args->at] : "";
    else
        return ERR_NOT_FOUND;
    if (value[0] == '\0')
        return refuse(args, "a value is missing behind", word);
    if (*out != NULL)
        return refuse(args, "given twice:", word);
    *out = value;
    return OK;
}

/* "--watch" or "--watch=SECONDS", up to an hour. */
static enum status take_watch(struct arguments *args, const char *word)
{
    unsigned seconds = 0;
    const char *digit = word + strlen("--watch");
    args->out->watch_s = 1;
    if (*digit == '\0')
        return OK;
    for (digit++; *digit >= '0' && *digit <= '9' && seconds <= 3600; digit++)
        seconds = seconds * 10 + (unsigned)(*digit - '0');
    args->out->watch_s = seconds;
    return *digit == '\0' && seconds >= 1 && seconds <= 3600
               ? OK
               : refuse(args, "seconds between two rounds are a number from 1 to 3600, as in --watch=2; not", word);
}

static enum status take_option(struct arguments *args)
{
    const char *word = args->argv[args->at];
    unsigned takes = args->verb->takes;
    enum status status = ERR_NOT_FOUND;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        args->out->verb = VERB_HELP;
        return OK;
    }
    if ((takes & TAKES_JSON) != 0 && strcmp(word, "--json") == 0) {
        args->out->json = true;
        return OK;
    }
    if ((takes & TAKES_VERBOSE) != 0 && (strcmp(word, "--verbose") == 0 || strcmp(word, "-v") == 0)) {
        args->out->verbose = true;
        return OK;
    }
    if ((takes & TAKES_WATCH) != 0 && (strcmp(word, "--watch") == 0 || strncmp(word, "--watch=", 8) == 0))
        return take_watch(args, word);
    if ((takes & TAKES_EXPLAIN) != 0 && strcmp(word, "--explain") == 0) {
        args->out->explain = true;
        return OK;
    }
    if ((takes & TAKES_CONFIG) != 0)
        status = take_value(args, "-c", "--config", &args->out->config);
    if (status == ERR_NOT_FOUND && (takes & TAKES_SOCKET) != 0)
        status = take_value(args, "-s", "--socket", &args->out->socket);
    return status == ERR_NOT_FOUND ? refuse(args, "unknown option", word) : status;
}

static enum status take_packet_word(struct arguments *args, const char *word)
{
    size_t len = strlen(word), room = sizeof args->packet - args->packet_len;
    if (len + 2 > room)
        return refuse(args, "too long for a packet: write " EXPLAIN_SYNTAX " without", word);
    args->packet[args->packet_len++] = ' ';
    memcpy(args->packet + args->packet_len, word, len + 1);
    args->packet_len += len;
    return OK;
}

static enum status take_word(struct arguments *args)
{
    const char *word = args->argv[args->at];
    bool arrow = (args->verb->takes & TAKES_PACKET) != 0 && strcmp(word, "->") == 0;
    if (word[0] == '-' && word[1] != '\0' && !arrow)
        return take_option(args);
    if ((args->verb->takes & TAKES_PACKET) != 0)
        return take_packet_word(args, word);
    if ((args->verb->takes & TAKES_LEVEL) != 0 && args->out->level == NULL) {
        enum log_level level;
        args->out->level = word;
        return log_level_parse(word, &level)
                   ? OK
                   : refuse(args, "a level is error, warning, info or debug, and comes before a name; not", word);
    }
    if ((args->verb->takes & TAKES_NAME) == 0 || args->out->name != NULL)
        return refuse(args, "one word too many:", word);
    if (word[0] == '\0' || strpbrk(word, " \t\r\n") != NULL)
        return refuse(
            args, args->verb->verb == VERB_PASSWD ? "not the name of a user:" : "not the name of a connection:", word);
    args->out->name = word;
    return OK;
}

enum status cli_parse(int argc, char *const argv[], struct cli *out, char why[CLI_WHY])
{
    struct arguments args = {.argc = argc, .argv = argv, .at = 1, .out = out, .why = why};
    *out = (struct cli){.verb = VERB_HELP};
    why[0] = '\0';
    if (argc < 2) {
        snprintf(why, CLI_WHY, "a command is missing");
        return ERR_MALFORMED;
    }
    enum status status = verb_find(&args, argv[1]);
    if (status != OK)
        return status;
    out->verb = args.verb->verb;
    for (args.at = 2; status == OK && args.at < argc; args.at++)
        status = take_word(&args);
    if (status != OK || out->verb == VERB_HELP)
        return status;
    if (out->json && out->verbose)
        return refuse(&args, "--json tells everything: leave out --verbose; both were given to", argv[1]);
    if (out->json && out->watch_s > 0)
        return refuse(&args, "--watch is for people: leave out --json, or ask again and again; both were given to",
                      argv[1]);
    if ((args.verb->takes & TAKES_LEVEL) != 0)
        return out->level != NULL ? OK
                                  : refuse(&args, "a level (error, warning, info or debug) is missing behind", argv[1]);
    if ((args.verb->takes & TAKES_NAME) != 0 && out->name == NULL)
        return refuse(&args,
                      out->verb == VERB_PASSWD ? "the name of a user is missing behind"
                                               : "the name of a connection is missing behind",
                      argv[1]);
    if ((args.verb->takes & TAKES_PACKET) != 0)
        return explain_query_parse(bytes_of(args.packet, args.packet_len), &out->query, why, CLI_WHY);
    return OK;
}
