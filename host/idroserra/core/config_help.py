"""Descriptions of the sections and keys of the host's configuration file, for the reference."""

SECTIONS = {
    "": "The host itself.",
    "mqtt": "The MQTT broker. Plain `mqtt://` works on loopback only; `mqtts://` verifies the "
            "broker's certificate.",
    "http": "The page and its API, for this machine and a proxy on it.",
    "lan": "The page on the site's own network, over HTTPS only "
           "([how](../host.md#https-on-the-local-network)).",
    "store": "The history database ([the store](../store.md)).",
    "store.keep": "Retention of the history in days, by resolution; 0 keeps it without end.",
    "feed[]": "A database that receives all readings and events beside the store "
              "([feeds](../store.md#feeds)); any number is allowed.",
    "spool": "The durable queue between broker and store. When it is full the host stops "
             "acknowledging, and the nodes keep their records.",
    "alarms": "Alarm rules and notifications ([alarms](../alarms.md)).",
    "alarms.targets[]": "One recipient of notifications; any number is allowed.",
    "homeassistant": "Nodes as devices of [Home Assistant](../integrations.md#home-assistant).",
    "foreign": "[Foreign readings](../integrations.md#foreign-readings) from sensors that are not "
               "nodes.",
    "other_host[]": "Another host, whose state is shown on the page *Hosts* of this one "
                    "([how](../host.md#several-hosts)); 200 at most.",
    "access": "Lifetime of log-in sessions at the page.",
    "access.openid": "Log-in at an OpenID provider, beside passwords "
                     "([how](../users.md#one-log-in-for-all-hosts)). Without `issuer` it is off.",
    "access.openid.roles": "Which values of `role_claim` give which role; the highest counts, and "
                           "without one there is no entry.",
    "journal": "The [journal](../page.md#journal).",
    "update": "[Updates](../update.md) of the nodes over the air.",
    "standby": "A second machine that follows this host ([standby](../standby.md)).",
}

TEXTS = {
    "site": "Name of the site. Nodes belong to it until they are moved to another one.",
    "data_dir": "Data folder of the host. Default: the user's data folder.",
    "mqtt.url": "Address of the broker.",
    "mqtt.client_id": "MQTT client id of the host; no node may have it as its id.",
    "mqtt.username": "User name at the broker: the reserved node id in the broker's ACL.",
    "mqtt.password": "Password of that user. A secret.",
    "mqtt.ca_file": "CA certificates that verify the broker. Default: those of the system.",
    "mqtt.cert_file": "Client certificate of the host; requires `key_file`.",
    "mqtt.key_file": "Private key of `cert_file`.",
    "mqtt.protocol": "MQTT version. 3.1.1 only for a broker without MQTT 5: it may drop bursts, "
                     "which the nodes then send again.",
    "mqtt.receive_maximum": "Receive Maximum: messages in flight without an acknowledgement.",
    "mqtt.session_expiry_s": "How long the broker queues messages while the host is disconnected.",
    "http.host": "Listening address; loopback only.",
    "http.port": "Port of the page; 0 picks a free one.",
    "http.public_url": "Public URL of the page behind a proxy on this machine, such as "
                       "`https://farm.example`.",
    "lan.enabled": "Serve the page on the network.",
    "lan.host": "Listening address.",
    "lan.port": "Port; 0 picks a free one.",
    "lan.names": "Host names and addresses of the page; the first one is shown to people. With "
                 "the host's own certificate, the machine's .local name and private addresses "
                 "are added.",
    "lan.cert_file": "Your own certificate instead of one from the host's CA; requires "
                     "`key_file`.",
    "lan.key_file": "Private key of `cert_file`.",
    "store.kind": "A SQLite file of this host, or an InfluxDB 1.x or 2.x.",
    "store.url": "Address of that database.",
    "store.database": "Name of the database or bucket.",
    "store.write_api": "v2: `/api/v2/write` of InfluxDB 1.8+ and 2; v1: `/write` of every 1.x.",
    "store.org": "Organisation (InfluxDB 2).",
    "store.user": "User (InfluxDB 1.x).",
    "store.password": "Password of that user. A secret.",
    "store.token": "Token (InfluxDB 2). A secret.",
    "store.timeout_ms": "Timeout of a request.",
    "feed": "Databases that are fed: `[[feed]]`.",
    "feed[].name": "Name of the feed in alarms and in `idroserra feed`.",
    "feed[].url": "Address of the database.",
    "feed[].database": "Name of the database or bucket; VictoriaMetrics ignores it.",
    "feed[].write_api": "v2: `/api/v2/write` of InfluxDB 1.8+, 2, 3 and VictoriaMetrics; v1: "
                        "`/write` of every 1.x.",
    "feed[].org": "Organisation (InfluxDB 2).",
    "feed[].user": "User (InfluxDB 1.x).",
    "feed[].password": "Password of that user. A secret.",
    "feed[].token": "Token (InfluxDB 2 and 3). A secret.",
    "feed[].timeout_ms": "Timeout of a request.",
    "store.keep.raw_days": "Every reading.",
    "store.keep.minutes_days": "1-minute roll-ups.",
    "store.keep.quarters_days": "15-minute roll-ups.",
    "store.keep.daily_days": "Daily roll-ups.",
    "store.keep.events_days": "Events: doses, decisions, faults.",
    "spool.max_mb": "Maximum size on disk.",
    "spool.max_rejected": "Number of rejected messages that are kept with their error.",
    "spool.max_unread": "Number of records of newer firmware that are kept until the host is "
                        "updated.",
    "alarms.rules": "Changes keys of the shipped rules, or adds rules: `[alarms.rules.ph_high]`.",
    "alarms.targets": "Recipients: `[[alarms.targets]]`.",
    "alarms.targets[].name": "Name on the page.",
    "alarms.targets[].url": "Apprise URL. A secret.",
    "alarms.targets[].from_priority": "Lowest priority that is sent to this recipient.",
    "alarms.targets[].escalation_only": "Send only alarms that were not acknowledged in time.",
    "alarms.targets[].sites": "Send only alarms of these sites and of the host; empty: of all.",
    "alarms.targets[].language": "Language of the notifications; units are metric.",
    "alarms.notify_from": "Lowest priority that is sent at all; lower ones appear on the page "
                          "only.",
    "alarms.gather_s": "Alarms within this time are sent as one message.",
    "alarms.quiet_from": "Start of the quiet hours, local time: only urgent alarms are sent.",
    "alarms.quiet_until": "End of the quiet hours.",
    "alarms.daily_at": "Time of a daily message that notifications work.",
    "alarms.heartbeat_url": "URL that is requested regularly while alarms work: a dead-man's "
                            "switch such as healthchecks.io. A secret.",
    "alarms.heartbeat_every_min": "Interval of these requests.",
    "homeassistant.enabled": "Publish the nodes to Home Assistant.",
    "homeassistant.prefix": "Discovery prefix, as in Home Assistant's MQTT settings.",
    "homeassistant.language": "Language of names, states, events and alarms: en, it or zh.",
    "foreign.topics": "Topic filters to read, such as `foreign/#`, 20 at most. Empty: off.",
    "other_host": "Other hosts: `[[other_host]]`.",
    "other_host[].name": "Its name on the page.",
    "other_host[].url": "Address of its page, such as `https://north.lan:8443`. `http://` works "
                        "on loopback only.",
    "other_host[].token_file": "File with an API token of that host, of role viewer.",
    "other_host[].ca_file": "CA certificate that verifies that host, `lan/authority.pem` of its "
                            "data folder. Default: those of the system.",
    "access.idle_min": "A session ends after this time without use.",
    "access.absolute_h": "A session ends this long after the log-in.",
    "access.openid.issuer": "URL of the provider, as it names itself.",
    "access.openid.client_id": "Name of this host at the provider.",
    "access.openid.client_secret": "Secret of that client; without one it is a public client. A "
                                   "secret.",
    "access.openid.ca_file": "CA certificates that verify the provider. Default: those of the "
                             "system.",
    "access.openid.label": "Name of the provider on the page. Default: its host name.",
    "access.openid.scopes": "What the host asks for: the scope that carries `role_claim`, often "
                            "`groups`, is added here.",
    "access.openid.role_claim": "Claim that decides the role: a text or a list; dots lead into "
                                "objects, such as `realm_access.roles`.",
    "access.openid.name_claim": "Claim that suggests the user's name here at the first log-in.",
    "access.openid.roles.viewer": "Values that let in as viewer.",
    "access.openid.roles.operator": "Values that let in as operator.",
    "access.openid.roles.admin": "Values that let in as admin.",
    "journal.photos_max_mb": "Maximum total size of the photos on disk.",
    "update.public_keys": "Files with the public keys that verify releases, two at most. "
                          "Without a key every release is refused.",
    "update.wave_nodes": "Nodes per wave after the canary.",
    "update.watch_min": "How long a wave must run a release without a new alarm before the next "
                        "wave starts.",
    "update.per_site": "Nodes of one site that update at the same time.",
    "update.rest_after_dose_min": "Time after a node's last dose before it may update.",
    "standby.url": "Folder of the standby: `sftp://USER@MACHINE/FOLDER`, or `file:///FOLDER` for "
                   "a mounted one. Unset: no standby.",
    "standby.key_file": "SSH private key for `sftp://`.",
    "standby.host_key": "Public SSH host key of the standby for `sftp://`, such as "
                        "`ssh-ed25519 AAAA...`.",
    "standby.folder": "Folder on this machine that `idroserra standby follow` follows.",
    "standby.alone_after_min": "How long records wait for a standby that cannot be reached. After "
                               "it the host confirms them alone, with an alarm.",
}
