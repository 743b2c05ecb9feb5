"""What each key of the host's configuration file is for, a sentence each. For the docs."""

SECTIONS = {
    "": "The host itself.",
    "mqtt": "The broker. Plain `mqtt://` is for this machine only; `mqtts://` checks the "
            "certificate.",
    "http": "The page and its API, for this machine and a proxy on it.",
    "lan": "The page on the site's own network, over HTTPS only "
           "([how](../host.md#https-on-the-local-network)).",
    "store": "Where history lives ([the store](../store.md)).",
    "store.keep": "For how many days history is kept, by resolution; 0 is for ever.",
    "spool": "The durable queue between broker and store. When it is full the host stops "
             "acknowledging, and the nodes keep their records.",
    "alarms": "Rules, and who is told ([alarms](../alarms.md)).",
    "alarms.targets[]": "One address that people are told at; as many as wanted.",
    "homeassistant": "Nodes as devices of [Home Assistant](../integrations.md#home-assistant).",
    "access": "How long people at the page stay logged in.",
    "journal": "The [journal](../page.md#journal).",
    "update": "[Updates](../update.md) of the nodes over the air.",
}

TEXTS = {
    "site": "Name of the site; nodes that nobody moved belong to it.",
    "data_dir": "Folder with everything the host keeps; without it, that of the user.",
    "mqtt.url": "Where the broker is.",
    "mqtt.client_id": "What the host calls itself at the broker.",
    "mqtt.username": "User of the broker: the reserved node id, which the ACL knows.",
    "mqtt.password": "Its password. A secret.",
    "mqtt.ca_file": "Certificates that vouch for the broker; without it, those of the machine.",
    "mqtt.cert_file": "The host's own certificate; goes with `key_file`.",
    "mqtt.key_file": "Its key.",
    "mqtt.protocol": "3.1.1 only for a broker that cannot do 5: bursts may be dropped there and "
                     "come again from the node.",
    "mqtt.receive_maximum": "Messages that may be on the way unacknowledged.",
    "mqtt.session_expiry_s": "How long the broker keeps messages for a host that is away.",
    "http.host": "Address to listen at: loopback only.",
    "http.port": "Port of the page; 0 takes a free one.",
    "http.public_url": "Where people reach the page through a proxy on this machine, such as "
                       "`https://farm.example`.",
    "lan.enabled": "Show the page on the network.",
    "lan.host": "Address to listen at.",
    "lan.port": "Port; 0 takes a free one.",
    "lan.names": "How people reach this host, the first as it is told them. The machine's name in "
                 ".local and its private addresses are added where the certificate is our own.",
    "lan.cert_file": "A certificate of yours instead of one of the host's own authority; goes "
                     "with `key_file`.",
    "lan.key_file": "Its key.",
    "store.kind": "A file of this host, or a database that speaks InfluxQL.",
    "store.url": "Where that database is.",
    "store.database": "Its database, or the bucket.",
    "store.write_api": "v2: `/api/v2/write` of InfluxDB 1.8+, 2, 3 and VictoriaMetrics; v1: "
                       "`/write` of every 1.x.",
    "store.org": "Organisation, for InfluxDB 2.",
    "store.user": "User, for 1.x.",
    "store.password": "Its password. A secret.",
    "store.token": "Token, for 2 and 3. A secret.",
    "store.timeout_ms": "How long an answer is waited for.",
    "store.keep.raw_days": "Every reading.",
    "store.keep.minutes_days": "Minutes.",
    "store.keep.quarters_days": "Quarters of an hour.",
    "store.keep.daily_days": "Days.",
    "store.keep.events_days": "Events: doses, decisions, faults.",
    "spool.max_mb": "How large it may grow on the disk.",
    "spool.max_rejected": "Messages that were not understood and are kept with their reason.",
    "spool.max_unread": "Records of newer firmware that are kept until the host is updated.",
    "alarms.rules": "Changes single keys of the shipped rules, or adds rules: "
                    "`[alarms.rules.ph_high]`.",
    "alarms.targets": "Whom to tell: `[[alarms.targets]]`.",
    "alarms.targets[].name": "What the page calls it.",
    "alarms.targets[].url": "An address of apprise. A secret.",
    "alarms.targets[].from_priority": "The least that is told here.",
    "alarms.targets[].escalation_only": "Tell here only what nobody acknowledged in time.",
    "alarms.targets[].language": "What is told here is in this language; units stay metric.",
    "alarms.notify_from": "The least that anybody is told; what is below stays on the page.",
    "alarms.gather_s": "What comes within this time goes as one message.",
    "alarms.quiet_from": "From this time of day, host's time, only what is urgent is told.",
    "alarms.quiet_until": "Until then.",
    "alarms.daily_at": "A word every day at this time that alarms work.",
    "alarms.heartbeat_url": "Asked every few minutes while alarms work: a dead-man's switch such "
                            "as healthchecks.io. A secret.",
    "alarms.heartbeat_every_min": "How often.",
    "homeassistant.enabled": "Tell Home Assistant of the nodes.",
    "homeassistant.prefix": "As in Home Assistant's own MQTT settings.",
    "access.idle_min": "How long without use.",
    "access.absolute_h": "How long in all.",
    "journal.photos_max_mb": "What all photos together may take on the disk.",
    "update.public_keys": "Files of the public keys that releases are checked with, two at most. "
                          "Without one no release is taken.",
    "update.wave_nodes": "So many nodes are offered a release at once after the canary.",
    "update.watch_min": "So many minutes a wave must run it without a new alarm before the next "
                        "one.",
    "update.per_site": "So many nodes of one site at once.",
    "update.rest_after_dose_min": "So many minutes after its last dose a node is left alone.",
}
