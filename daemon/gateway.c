/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gateway.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "daemon/control_path.h"
#include "daemon/gateway_state.h"
#include "daemon/mtu.h"
#include "daemon/notify.h"
#include "daemon/privilege.h"
#include "daemon/reverse_path.h"
#include "daemon/udp_probe.h"
#include "daemon/workers.h"
#include "policy/ip.h"
#include "tun/probe.h"

/* --- what wakes the loop --- */

static void on_wake(void *arg)
{
    struct gateway *g = arg;
    uint64_t now = gateway_now(g);
    if (ike_next(g->ike) <= now)
        ike_tick(g->ike, now);
    shards_expire(g->shards, now);
    gateway_path_expire(g);
    gateway_round(g);
    gateway_health_sample(g);
    gateway_probe_run(g);
    g->look_at_commands = true;
    gateway_settle(g);
}

static void stop(struct gateway *g, int exit_code)
{
    if (g->stopping)
        return;
    notify_service("STOPPING=1", g->log);
    ike_shutdown(g->ike, gateway_now(g));
    gateway_end_commands(g);
    g->stopping = true;
    g->exit_code = exit_code;
    loop_stop(&g->loop);
}

static void on_signal(void *arg, int number)
{
    struct gateway *g = arg;
    if (number == SIGHUP) {
        gateway_reload_by_signal(g);
        return;
    }
    log_write(g->log, LOG_INFO, "%s: stopping, the peers are told", number == SIGTERM ? "SIGTERM" : "SIGINT");
    stop(g, EXIT_SUCCESS);
}

static void on_device_gone(void *arg)
{
    struct gateway *g = arg;
    log_write(g->log, LOG_ERROR, "the TUN interface %s is gone; start esptun again", g->device.name);
    stop(g, EXIT_FAILURE);
}

static void on_settle(void *arg)
{
    gateway_settle(arg);
}

static void on_path_error(void *arg, const void *subject)
{
    struct gateway *g = arg;
    gateway_path_errors(g, subject == &g->path_errors.fd4 ? 4 : 6);
    gateway_settle(g);
}

static void on_routes(void *arg, const void *subject)
{
    struct gateway *g = arg;
    (void)subject;
    gateway_routes_changed(g);
    gateway_settle(g);
}

/* --- start --- */

/* Each worker has sockets of its own for each local address. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* what is then missing is said where it is opened */
}

static enum status choose_crypto(struct gateway *g, char *why, size_t why_len)
{
    char reason[AEAD_WHY];
    enum status status = aead_library_new(g->config->gateway.crypto, &g->crypto, reason);
    if (status != OK)
        (void)snprintf(why, why_len, "%s", reason);
    else
        log_write(g->log, aead_library_failed(g->crypto) ? LOG_WARNING : LOG_INFO, "ESP ciphers: %s",
                  aead_library_note(g->crypto));
    return status;
}

/* Fewer than wanted, because of the TUN. */
static void say_one_worker(const struct gateway *g)
{
    const struct gateway_config *config = &g->config->gateway;
    log_write(g->log, config->workers > 1 ? LOG_WARNING : LOG_INFO, "there is one worker: %s%s", g->device.name,
              device_is_handed_over(config->tun)
                  ? ", handed over as a descriptor, has one queue; for several workers hand over none and write "
                    "the name of an interface"
                  : " was not made for several queues; for several workers make it with 'ip tuntap add ... "
                    "multi_queue', or let esptun create it");
}

static size_t count_workers(const struct gateway *g)
{
    bool any = false;
    for (size_t i = 0; i < g->config->connection_count; i++)
        any |= connection_is_any(&g->config->connections[i]);
    return workers_wanted(g->config->gateway.workers, g->tables.peers, any, uv_available_parallelism());
}

static enum status take_device(struct gateway *g, char *why)
{
    const struct gateway_config *config = &g->config->gateway;
    size_t wanted = count_workers(g);
    enum status status = device_open(config->tun, config->tun_offload, wanted > 1, &g->device, why, GATEWAY_WHY);
    if (status != OK)
        return status;
    g->workers = g->device.queues ? wanted : 1;
    if (g->workers < wanted)
        say_one_worker(g);
    return OK;
}

static enum status start_device(struct gateway *g, char *why)
{
    const struct gateway_config *config = &g->config->gateway;
    device_probe(&g->device, g->log); /* before it is up, nobody but the kernel sees that */
    uint32_t automatic = gateway_start_mtu(g);
    uint32_t mtu = config->mtu != 0 ? config->mtu : automatic;
    return device_start(&g->device, mtu, config->mtu != 0, g->log, why, GATEWAY_WHY);
}

static enum status open_sockets(struct gateway *g, char *why)
{
    const struct gateway_config *config = &g->config->gateway;
    const struct udp_share control = {.control = true};
    enum status status = udp_open(g->config->connections, g->config->connection_count, g->workers > 1 ? &control : NULL,
                                  g->log, &g->udp, why, GATEWAY_WHY);
    if (status != OK)
        return status;
    g->udp_gso = config->udp_gso;
    g->udp_gro = config->udp_gro;
    udp_probe(g->log, &g->udp_gso, &g->udp_gro);
    udp_offload(g->udp, g->udp_gso, g->udp_gro);
    return OK;
}

static enum status make_data_plane(struct gateway *g, char *why)
{
    enum status status = sad_new(g->config->spd.count, g->crypto, &g->random, &g->sad);
    if (status != OK)
        return status;
    bypass_open(&g->bypass, g->log);
    const struct shards_setup setup = {.count = g->workers,
                                       .ranks = g->tables.ranks,
                                       .connections = g->config->connections,
                                       .connection_count = g->config->connection_count,
                                       .spd = &g->config->spd,
                                       .sad = g->sad,
                                       .udp = g->udp,
                                       .udp_gso = g->udp_gso,
                                       .udp_gro = g->udp_gro,
                                       .bypass = &g->bypass,
                                       .device = &g->device,
                                       .random = &g->random,
                                       .mark = &g->mark,
                                       .log = g->log,
                                       .loop = &g->loop,
                                       .crypto = g->crypto,
                                       .choice = g->config->gateway.crypto,
                                       .packet_max = g->device.mtu > MTU_JUMBO ? g->device.mtu : MTU_JUMBO,
                                       .ops = gateway_worker_ops(g),
                                       .settle = on_settle,
                                       .gone = on_device_gone};
    return shards_open(&setup, &g->shards, why, GATEWAY_WHY);
}

static enum status make_ike(struct gateway *g)
{
    const struct ike_setup setup = {.connections = g->tables.connections,
                                    .connection_count = g->config->connection_count,
                                    .spd = &g->config->spd,
                                    .random = g->random,
                                    .vault = g->vault,
                                    .log = g->log,
                                    .ops = gateway_ike_ops(g)};
    return ike_new(&setup, &g->ike);
}

static enum status watch_all(struct gateway *g)
{
    enum status status = shards_start(g->shards);
    const int *errors[] = {&g->path_errors.fd4, &g->path_errors.fd6};
    for (size_t i = 0; i < 2 && status == OK; i++)
        if (*errors[i] >= 0)
            status = loop_watch(&g->loop, *errors[i], on_path_error, g, errors[i]);
    if (status == OK)
        status = gateway_watch_hooks(g);
    if (status == OK && g->watch.fd >= 0)
        status = loop_watch(&g->loop, g->watch.fd, on_routes, g, NULL);
    return status;
}

static enum status drop_privileges(struct gateway *g, char *why)
{
    const struct gateway_config *config = &g->config->gateway;
    char folder[CONFIG_CONTROL_MAX];
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(config->control, '/') - config->control + 1),
                   config->control);
    const struct privilege privilege = {.user = config->user,
                                        .sandbox = config->sandbox,
                                        .netfilter = config->guard,
                                        .config_path = g->config->path,
                                        .folders = g->config->folders.items,
                                        .folder_count = g->config->folders.count,
                                        .control_folder = folder};
    return privilege_drop(&privilege, g->log, why, GATEWAY_WHY);
}

/* Until the TUN is ours, a guard that is there may be that of another gateway, which lives: it stays. Where none is
 * there, ours is raised, however the start went `before`. A TUN that was handed over may have been handed to others as
 * well: of it the control socket tells. */
static enum status raise_guard(struct gateway *g, enum status before, char *why)
{
    const struct gateway_config *config = &g->config->gateway;
    bool ours = before == OK && !(device_is_handed_over(config->tun) && control_path_answers(g->control_path));
    char wrong[GATEWAY_WHY] = "";
    if (!config->guard || (!ours && guard_is_there(config->tun)))
        return before;
    enum status status = guard_start(&g->guard, config->tun, true, &g->config->spd, g->log, wrong, sizeof wrong);
    if (before == OK)
        memcpy(why, wrong, GATEWAY_WHY);
    else if (status != OK)
        log_write(g->log, LOG_ERROR, "%s", wrong);
    return before == OK ? status : before;
}

/* The guard comes before all else but its TUN, so that it is there also when the rest fails. */
static enum status take_tun(struct gateway *g, char *why)
{
    enum status status = gateway_tables_make(g->config, NULL, NULL, g->log, &g->tables);
    if (status == OK) {
        gateway_use_log_levels(g);
        status = take_device(g, why);
    }
    return raise_guard(g, status, why);
}

/* A guard that is not wanted is lifted once nothing stands in the way of the start. */
static enum status lift_guard(struct gateway *g, char *why)
{
    const struct gateway_config *config = &g->config->gateway;
    if (config->guard)
        return OK;
    return guard_start(&g->guard, config->tun, false, &g->config->spd, g->log, why, GATEWAY_WHY);
}

/* Routes come last: before them nothing is led here, and with them in place nothing protected goes past. Privileges go
 * before the first thread and the first packet. */
static enum status start(struct gateway *g, char *why)
{
    const struct loop_handlers handlers = {.arg = g, .wake = on_wake, .signal = on_signal};
    enum status status = take_tun(g, why);
    if (status == OK)
        status = gateway_open_hooks(g, why, GATEWAY_WHY);
    if (status == OK)
        status = loop_open(&g->loop, &handlers);
    if (status == OK)
        status = gateway_open_control(g, why, GATEWAY_WHY);
    if (status == OK)
        status = gateway_open_health(g, why, GATEWAY_WHY);
    if (status == OK)
        status = gateway_open_path(g);
    if (status == OK)
        status = gateway_open_probe(g);
    if (status == OK)
        status = start_device(g, why);
    if (status == OK)
        status = open_sockets(g, why);
    if (status == OK)
        status = make_data_plane(g, why);
    gateway_open_access(g);
    gateway_open_names(g);
    if (status == OK)
        status = make_ike(g);
    if (status == OK)
        status = lift_guard(g, why);
    if (status == OK)
        status = drop_privileges(g, why);
    if (status == OK)
        status = watch_all(g);
    if (status == OK && g->config->gateway.routes)
        status = routes_install(&g->config->spd, &g->device, g->log, &g->routes, why, GATEWAY_WHY);
    return status;
}

/* --- the end --- */

/* False: the loop, and with it g, is still in the hands of a thread. */
static bool release(struct gateway *g)
{
    shards_stop(g->shards);
    loop_unwatch_all(&g->loop);
    gateway_close_hooks(g);
    routes_remove(g->routes);
    control_close(g->control);
    gateway_close_health(g);
    gateway_close_access(g);
    bool idle = gateway_close_names(g);
    if (idle)
        loop_close(&g->loop);
    ike_free(g->ike);
    sad_free(g->sad);
    shards_free(g->shards);
    aead_library_free(g->crypto);
    bypass_close(&g->bypass);
    path_errors_close(&g->path_errors);
    gateway_close_watch(g);
    path_mtus_free(g->path_mtus);
    udp_close(g->udp);
    device_close(&g->device);
    gateway_forget_log_levels(g);
    gateway_tables_free(&g->tables);
    config_free(g->config);
    return idle;
}

static void run(struct gateway *g)
{
    const struct device *device = &g->device;
    size_t connections = g->config->connection_count, rules = g->config->spd.count;
    if (g->routes != NULL) {
        g->watch.own_table = routes_table(g->routes);
        g->watch.own_table_count = ROUTE_SLOT_STEP;
    }
    g->watch.own_device = device->index;
    loop_refresh(&g->loop);
    g->started_ms = g->configured_ms = gateway_now(g);
    log_write(g->log, LOG_INFO, "esptun %s is ready: TUN %s (%s, MTU %u), %zu %s, %zu %s", ESPTUN_VERSION, device->name,
              device->attached ? "attached" : "created", device->mtu, connections,
              connections == 1 ? "connection" : "connections", rules, rules == 1 ? "rule" : "rules");
    if (shards_count(g->shards) > 1)
        log_write(g->log, LOG_INFO, "%zu workers carry packets", shards_count(g->shards));
    if (g->routes != NULL)
        reverse_path_warn(&g->config->spd, g->tables.connections, g->config->connection_count, g->log);
    if (g->routes != NULL)
        log_write(g->log, LOG_INFO, "routes of protect rules are in table %u", routes_table(g->routes));
    notify_service("READY=1\nSTATUS=carrying packets", g->log);
    ike_start(g->ike, g->started_ms);
    gateway_settle(g);
    loop_run(&g->loop);
    gateway_finish_hooks(g);
}

int gateway_run(struct config *config, struct vault *vault, struct log *log)
{
    char why[GATEWAY_WHY] = "";
    struct gateway *g = calloc(1, sizeof *g);
    if (g == NULL) {
        config_free(config);
        return EXIT_FAILURE;
    }
    *g = (struct gateway){.config = config, .vault = vault, .log = log, .random = random_system()};
    memcpy(g->control_path, config->gateway.control, sizeof g->control_path);
    g->watch.fd = g->device.fd = g->bypass.fd4 = g->bypass.fd6 = g->path_errors.fd4 = g->path_errors.fd6 = -1;
    g->exit_code = EXIT_FAILURE;
    privilege_begin(log);
    allow_many_descriptors();
    if (aead_danger() != NULL)
        log_write(log, LOG_ERROR, "DANGER: %s", aead_danger());
    enum status status = choose_crypto(g, why, sizeof why);
    if (status == OK)
        status = start(g, why);
    if (status == OK)
        run(g);
    else
        log_write(log, LOG_ERROR, "cannot start: %s", why[0] != '\0' ? why : status_text(status));
    int exit_code = g->exit_code;
    bool idle = release(g);
    guard_farewell(&g->guard, log);
    if (status == OK)
        log_write(log, LOG_INFO, "stopped");
    /* The resolver may wait for a name server for half a minute, and whoever exits waits for libuv's threads. */
    if (!idle)
        _exit(exit_code);
    free(g);
    return exit_code;
}
