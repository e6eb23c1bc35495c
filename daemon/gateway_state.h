/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct gateway owns everything of a running gateway. Private to gateway*.c:
 *   gateway.c          start, run, stop
 *   gateway_ike.c      what IKE asks of us, and what follows
 *   gateway_path.c     path MTU and what follows from it
 *   gateway_watch.c    links and routes of the host that change
 *   gateway_control.c  what clients of the control socket ask
 *   gateway_look.c     what connections look like at the moment
 *   gateway_health.c   metrics, health and readiness
 *   gateway_names.c    peers that are known by name
 *   gateway_probe.c    probes through tunnels
 *   gateway_tables.c   what there is by connection and by rule
 *   gateway_reload.c   another configuration
 *   gateway_hooks.c    programs that are told when tunnels come and go
 */
#ifndef DAEMON_GATEWAY_STATE_H
#define DAEMON_GATEWAY_STATE_H

#include "daemon/command.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/health.h"
#include "daemon/http.h"
#include "daemon/login.h"
#include "daemon/loop.h"
#include "daemon/path_errors.h"
#include "daemon/resolve.h"
#include "daemon/shards.h"
#include "daemon/status.h"
#include "daemon/tunnel_probe.h"
#include "esp/path_mtu.h"
#include "ike/ike.h"
#include "tun/device.h"
#include "tun/guard.h"
#include "tun/route.h"
#include "tun/watch.h"

enum { GATEWAY_WHY = 512 };

struct round_path;
struct gateway_hooks;

/* Asking for the routes to all peers again; see gateway_watch.c. */
struct path_round {
    struct round_path *paths; /* owned: of the SAs that there were when it began */
    size_t count, capacity;
    size_t next, connection; /* how far it is: paths, then connections */
    bool running;
    bool again;             /* something changed since it began */
    uint64_t due_ms;        /* DEADLINE_NEVER: nothing has changed */
    uint64_t not_before_ms; /* the next one begins */
};

/* The answer about the route that was asked for last: good for the wake-up at hand. */
struct asked_route {
    struct path path;
    bool udp;
    uint64_t at_ms;
    uint32_t mtu;
};

enum { MONITORS_MAX = 16 }; /* fewer than CONTROL_CLIENTS_MAX, so that commands always find a place */

struct monitor {
    struct client *client; /* NULL: a free place */
    uint64_t dropped;      /* events that it was too slow for, and has not been told of */
};

/* How a connection does. */
struct connection_state {
    struct command_view view; /* of the last look, as are the next */
    uint64_t in, out;         /* packets of all its SAs */
    struct health_flow flow;  /* what came of them over time; only watched where somebody may ask */
};

/* What there is of each connection and of each rule of one configuration: a reload puts others in their place. */
struct gateway_tables {
    size_t connection_count;
    /* The configured ones, with `local = %any` made the address that leads to the peer; secrets stay the config's. */
    struct connection *connections;
    uint32_t *ranks;                 /* by connection: workers_rank */
    size_t peers;                    /* likewise */
    struct virtual_net *virtual;     /* by connection: what is on the TUN */
    uint32_t *worst_mtu, *live_mtu;  /* by connection: see daemon/mtu.h */
    struct connection_state *states; /* by connection */
    struct tunnel_probe *probes;     /* likewise */
    enum log_level *log_levels;      /* by connection */
    char **name_problems;            /* by connection: what was said last of its name; owned; NULL: all is well */
    bool *released;                  /* by rule: a child may seal since; what waits for it is to leave */
    uint32_t *released_rules;
    bool *seen; /* by rule: scratch of gateway_look */
};

/* A page that is good for a moment more. */
struct kept_page {
    struct http_page page; /* its body is owned */
    uint64_t until_ms;
};

struct gateway {
    struct config *config; /* owned */
    struct vault *vault;   /* borrowed, like log */
    struct log *log;       /* likewise; everyone has a pointer to it, so that its levels can change */
    struct monitor monitors[MONITORS_MAX];
    char control_path[CONFIG_CONTROL_MAX];
    struct random random;
    struct gateway_tables tables;
    size_t released_count;
    struct loop loop;
    struct guard guard;
    struct device device;
    struct udp *udp;
    struct bypass bypass;
    struct path_errors path_errors;
    struct path_mtus *path_mtus;
    struct watch_routes watch;
    struct path_round round;
    struct asked_route asked;
    bool mtu_changed;     /* something did that the MTU of the TUN follows from */
    uint64_t followed_ms; /* when it last did */
    struct aead_library *crypto;
    struct sad *sad;
    struct shards *shards;
    size_t workers;
    bool udp_gso, udp_gro; /* as configured, and as far as the kernel keeps its promise */
    struct ike *ike;
    struct control *control;
    struct routes *routes;
    struct commands commands;
    struct logins logins;
    struct resolver resolver;
    struct kept_page metrics_page, ready_page;
    struct http *http;           /* NULL: no metrics */
    struct gateway_hooks *hooks; /* NULL: no connection has one */
    uint64_t health_due_ms;      /* the next sample; DEADLINE_NEVER: nobody asks */
    struct echo_mark mark;       /* of our own echo requests */
    uint64_t probe_due_ms;       /* of the next one; DEADLINE_NEVER: there is none */
    uint64_t recheck_ms;         /* when a route was last asked for because of a packet that was too big */
    struct log_rate path_rate;   /* of lines about path MTUs */
    struct log_rate unsent_rate; /* of warnings that IKE messages did not leave */
    bool look_at_commands;       /* something happened that can be an outcome */
    bool stopping;
    uint64_t started_ms, configured_ms;
    int exit_code;
};

static inline uint64_t gateway_now(const struct gateway *g)
{
    return loop_now(&g->loop);
}

/* --- gateway_ike.c --- */

struct ike_ops gateway_ike_ops(struct gateway *g);
struct worker_ops gateway_worker_ops(struct gateway *g);

/* What waited for children that may seal since leaves. */
void gateway_release_waiting(struct gateway *g);

/* After anything that may have called into IKE: waiting packets leave, clients get outcomes, the timer is set. */
void gateway_settle(struct gateway *g);

/* --- gateway_access.c --- */

void gateway_open_access(struct gateway *g);
void gateway_close_access(struct gateway *g);
enum xauth_verdict gateway_xauth_check(void *arg, uint64_t ticket, uint32_t connection, struct bytes user,
                                       struct bytes password);
void gateway_net_up(void *arg, uint32_t connection, const struct virtual_net *net);
void gateway_net_down(void *arg, uint32_t connection);

/* --- gateway_names.c --- */

void gateway_open_names(struct gateway *g);
bool gateway_close_names(struct gateway *g); /* false: a thread is at it, and cannot be called off (resolver_close) */
enum status gateway_find_remote(void *arg, uint32_t connection);

/* --- gateway_probe.c --- */

MUST_USE enum status gateway_open_probe(struct gateway *g);
void gateway_probe_run(struct gateway *g); /* what is due */
void gateway_probe_answered(struct gateway *g, uint64_t child_id, const struct echo *echo);
void gateway_probe_event(struct gateway *g, const struct ike_event *event); /* from inside the engine */
/* At rest: whether answers are looked for in the packets of this child, or of all after a reload. */
void gateway_probe_mark(struct gateway *g, uint64_t child_id);
void gateway_probe_mark_all(struct gateway *g);

/* --- gateway_tables.c --- */

/* Of the configuration; `log` hears about local addresses. before: NULL, or the tables in force, whose values stay for
 * connections that are kept. ERR_MEMORY, with *out empty. */
MUST_USE enum status gateway_tables_make(const struct config *config, const struct gateway_tables *before,
                                         const struct renumber *numbers, const struct log *log,
                                         struct gateway_tables *out);
void gateway_tables_free(struct gateway_tables *tables);

/* --- gateway_reload.c --- */

/*
 * Reads the configuration again and applies what differs. False: it is as before, in every respect. *said is the
 * caller's to free(): a summary, or why not, of one line or more; NULL without memory.
 */
bool gateway_reload(struct gateway *g, char **said);
void gateway_reload_by_signal(struct gateway *g);

/* --- gateway_path.c --- */

MUST_USE enum status gateway_open_path(struct gateway *g);
uint32_t gateway_start_mtu(struct gateway *g);               /* of the TUN, before any SA is there */
void gateway_path_errors(struct gateway *g, uint8_t family); /* a socket of path_errors is readable */
/* A packet of the child, `size` bytes on the wire, was too big for the interface. */
void gateway_path_recheck(struct gateway *g, uint64_t child_id, uint32_t size);
void gateway_path_of_child(struct gateway *g, uint64_t child_id); /* it is new, or its peer has moved */
/* The same will be asked while the workers rest: here and now it costs them nothing. */
void gateway_path_ask(struct gateway *g, const struct path *path, bool udp);
void gateway_path_forget(struct gateway *g, const struct address *peer); /* a child that led there is gone */
void gateway_path_expire(struct gateway *g); /* claims that have aged: the path is tried with its full size */
void gateway_path_set_route(struct gateway *g, const struct address *peer, uint32_t route); /* its MTU; 0: stays */
void gateway_path_of_connection(struct gateway *g, size_t connection); /* the worst that it can need */
void gateway_follow_mtu(struct gateway *g); /* sets the MTU of the TUN where it has to change; now and then */
uint64_t gateway_follow_next(const struct gateway *g); /* when that is due, or DEADLINE_NEVER */

/* --- gateway_watch.c --- */

void gateway_open_watch(struct gateway *g);
void gateway_close_watch(struct gateway *g);
void gateway_routes_changed(struct gateway *g); /* its socket is readable */
void gateway_round(struct gateway *g);          /* goes on with a round that is due */

/* --- gateway_look.c --- */

/* Looks at all rules and SAs once, for g->tables.states. */
void gateway_look(struct gateway *g);

/* --- gateway_health.c --- */

/* `metrics` is absent: nothing is opened, and nothing watched. */
MUST_USE enum status gateway_open_health(struct gateway *g, char *why, size_t why_len);
void gateway_close_health(struct gateway *g);
void gateway_health_sample(struct gateway *g); /* when g->health_due_ms has come */
/* --- gateway_log.c --- */

/* The levels of single connections are those of g->tables from now on; and none are. */
void gateway_use_log_levels(struct gateway *g);
void gateway_forget_log_levels(struct gateway *g);
void gateway_log_everything(struct gateway *g, enum log_level level);
void gateway_set_log_level(struct gateway *g, struct client *client, const struct request *request); /* and answers */

/* --- gateway_monitor.c --- */

void gateway_monitor_add(struct gateway *g, struct client *client); /* and answers */
void gateway_monitor_gone(struct gateway *g, const struct client *client);
void gateway_monitor_room(struct gateway *g, const struct client *client); /* it reads again */
void gateway_monitor_tell(struct gateway *g, const struct ike_event *event);
void gateway_monitor_probe(struct gateway *g, const char *connection, bool up, const char *why);

/* --- gateway_hooks.c: harmless where no connection has a hook --- */

/* Before there are threads or signal handlers, and before privileges are dropped. */
MUST_USE enum status gateway_open_hooks(struct gateway *g, char *why, size_t why_len);
MUST_USE enum status gateway_watch_hooks(struct gateway *g);
void gateway_hooks_event(struct gateway *g, const struct ike_event *event); /* from inside the engine */
void gateway_hooks_run(struct gateway *g);
uint64_t gateway_hooks_next(const struct gateway *g); /* when that is due, or DEADLINE_NEVER */
/* A program that the new configuration names and the runner does not know; NULL: none. */
const char *gateway_hooks_unknown(const struct gateway *g, const struct config *config);
void gateway_hooks_renumber(struct gateway *g, const struct renumber *numbers);
void gateway_finish_hooks(struct gateway *g); /* at the end: the last ones run, or are killed */
void gateway_close_hooks(struct gateway *g);

/* --- gateway_control.c --- */

/* What the input of a status borrows. */
struct status_scratch {
    uint64_t ike_drops[IKE_DROP_COUNT];
    struct guard_counts guard;
};
void gateway_status_input(struct gateway *g, struct status_scratch *scratch, struct status_input *out);
MUST_USE enum status gateway_open_control(struct gateway *g, char *why, size_t why_len);
void gateway_judge_commands(struct gateway *g);
void gateway_end_commands(struct gateway *g); /* at the end: who still waits is told */

#endif
