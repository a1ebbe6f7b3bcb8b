//! Settings that do nothing without others, or beside them. What a setting needs besides itself is said where that is made.

use pushnote_cli::{CLIENTS_WITHOUT_KEY, Idle, NETWORKS_WITHOUT_TCP, PLAINTEXT_WITH_KEY};
use pushnote_config::{LimitArgs, Server};
use pushnote_zmtp::Endpoint;

const NO_ZEROMQ: &str = "nothing comes over ZeroMQ here: give --mq_socket, too, or do without";
const NO_REDIS: &str = "no Redis is heard: give --redis, too, or do without";
const NO_LIGHTPUSH: &str = "lightpush is not served: give --lightpush-port, too, or do without";
const NO_PUSH: &str = "Web Push is off: --vapid-subject switches it on; give that, too, or do without";
const NO_FALLBACK: &str = "there is no application behind: give --fallback, too, or do without";
const ELSEWHERE: &str = "browsers come by --unix-socket alone: do without one of the two";

/// Of a setting that is in several rows, the first that fits counts.
pub(crate) const TABLE: &[Idle<Server>] = &[
    Idle { settings: &["port"], when: |args| args.given.are_beside("unix_socket", "port"), why: ELSEWHERE },
    Idle {
        settings: &["address"],
        when: |args| args.given.are_beside("unix_socket", "address"),
        why: ELSEWHERE,
    },
    Idle {
        settings: &["publish_to", "publish_ack"],
        when: |args| args.single,
        why: "this is for servers that hear a forwarder, and with --single messages stay here: do without one of the two",
    },
    Idle {
        settings: &["publish_ack"],
        when: |args| args.publish_to.is_empty(),
        why: "nothing is published to a forwarder: give --publish-to, too, or do without",
    },
    Idle {
        settings: &["curve_server_key"],
        when: |args| args.single,
        why: "this is for connecting, and with --single others connect: give --curve-secret-key-file alone",
    },
    Idle {
        settings: &["ack", "curve_clients", "allow_network", "peers_max", "allow_plaintext"],
        when: |args| !args.single,
        why: "this is for --single, where others connect; with a forwarder it is a flag of pushnote-mq: give it there",
    },
    Idle {
        settings: &[
            "heartbeat_interval",
            "zmq_frame_bytes_max",
            "curve_secret_key_file",
            "curve_clients",
            "allow_network",
            "peers_max",
            "allow_plaintext",
        ],
        when: |args| args.single && args.mq_socket.is_empty() && args.ack.is_empty(),
        why: NO_ZEROMQ,
    },
    Idle {
        settings: &["curve_clients"],
        when: |args| args.listen.key.curve_secret_key_file.is_none(),
        why: CLIENTS_WITHOUT_KEY,
    },
    Idle {
        settings: &["allow_plaintext"],
        when: |args| args.listen.key.curve_secret_key_file.is_some(),
        why: PLAINTEXT_WITH_KEY,
    },
    Idle {
        settings: &["allow_network"],
        when: |args| args.mq_socket.iter().chain(&args.ack).all(|end| matches!(end, Endpoint::Ipc(_))),
        why: NETWORKS_WITHOUT_TCP,
    },
    Idle {
        settings: &["api_keys"],
        when: |args| args.api.is_none(),
        why: "there is no API: give its address by --api, too, as in --api=127.0.0.1:8081, or do without",
    },
    Idle {
        settings: &["fallback_requests_max", "fallback_timeout"],
        when: |args| args.fallback.is_none(),
        why: NO_FALLBACK,
    },
    Idle {
        settings: &["fsync"],
        when: |args| args.data_dir.is_none(),
        why: "nothing is kept on disk: give --data-dir, too, or do without",
    },
    Idle {
        settings: &["redis_password_file", "redis_prefix", "redis_unsubscribe_delay"],
        when: |args| args.redis.redis.is_none(),
        why: NO_REDIS,
    },
    Idle {
        settings: &["lightpush_address", "lightpush_key_file"],
        when: |args| args.lightpush.lightpush_port.is_none(),
        why: NO_LIGHTPUSH,
    },
    Idle {
        settings: &[
            "vapid_key_file",
            "vapid_old_key_files",
            "push_allowed_hosts",
            "push_allowed_nets",
            "push_subscriptions_per_user_max",
            "push_subscriptions_per_address_max",
            "webhook_url",
            "webhook_secret_file",
            "message_states_age",
            "message_states_max",
        ],
        when: |args| args.push.vapid_subject.is_none(),
        why: NO_PUSH,
    },
    Idle {
        settings: &["webhook_secret_file"],
        when: |args| args.webhook.webhook_url.is_none(),
        why: "nobody is told of messages: give --webhook-url, too, or do without",
    },
    Idle {
        settings: &["connections_per_ip_max"],
        when: |args| args.unix_socket.is_some() && args.lightpush.lightpush_port.is_none(),
        why: "who comes by --unix-socket has no address of its own, and all come that way: do without, and let the proxy count",
    },
    Idle {
        settings: &["connections_per_ip_max"],
        when: |args| {
            let LimitArgs { connections_max, connections_per_ip_max, .. } = args.limits;
            connections_per_ip_max.zip(connections_max).is_some_and(|(of_one, of_all)| of_one >= of_all)
        },
        why: "--connections-max, of all addresses together, is reached before: give less, or do without",
    },
];
