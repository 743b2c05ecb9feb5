"""Patterns of English sentences from firmware and host, for translate.translate_message().

Firmware and stored texts are in English. `{difference}` in a pattern is a difference of two
values, to which a unit's offset does not apply; `{ec}` and `{ec_target}` are numbers in uS/cm
without a unit and are shown with one.
"""

from __future__ import annotations

from idroserra.i18n.marker import N_

# Why control did or did not: idro.control, idro.app.control_cycle.
_CONTROL = (
    N_("held: {why}"), N_("on: {why}"), N_("off: {why}"), N_("locked: {why}"), N_("dark: {why}"),
    N_("light: {why}"), N_("filling: {why}"), N_("advice: {why}"),
    N_("in band: {what}, {value} at {target}"), N_("in band: EC, {ec} at {ec_target}"),
    N_("monitor only: dosing is switched off"), N_("nutrient B comes first"),
    N_("pH takes its turn"), N_("EC comes first"), N_("no level ({fault})"), N_("no EC ({fault})"),
    N_("no pH ({fault})"), N_("water is low, {value} of {low} mm"), N_("filling"),
    N_("EC is below {value}: is the probe in the water?"),
    N_("nutrient A was given, B follows in {time} s"), N_("nutrient B waits: {why}"),
    N_("EC low: nutrient B after A, {volume} ml"), N_("EC low: nutrient A, {ec} at {ec_target}"),
    N_("EC is high and only water lowers it, {ec} above {ec_target}"), N_("EC is low but {why}"),
    N_("pH is not believed, {value}"), N_("pH is low but comes back by itself, {value}"),
    N_("pH is high but comes back by itself, {value}"), N_("pH is low but {why}"),
    N_("pH is high but {why}"),
    N_("pH low: {doser}, {value} at {target}, {strength} ml/pH, drift {drift}/h"),
    N_("pH high: {doser}, {value} at {target}, {strength} ml/pH, drift {drift}/h"),
    N_("the least dose is too much, {volume} ml"), N_("pH probe was calibrated {days} days ago"),
    N_("give {volume} ml of {doser}, {why}"), N_("water is in the beds"),
    N_("a correction is under way"), N_("calibration, {time} left"), N_("by hand"),
    N_("it had its light of 24 h"), N_("{why}: up to {volume} ml of B are missing"), N_("no pH"),
    N_("nutrient B could not follow nutrient A"),
    N_("the power went between nutrient A and nutrient B"),
    N_("the board was reset while nutrient A was given"),
    N_("{doser} had no effect: is the bottle empty, is air in the line, is the probe dead?"),
    N_("{doser} worked the wrong way: are tubes or bottles swapped, is the probe dead?"),
    N_("the tank leaks and does not stay full"), N_("water rises with the valve shut, {moved} mm"),
    N_("water leaves faster than plants drink, {moved} mm an hour"),
    N_("the tank did not fill in time, next try in {time} min"), N_("full enough"),
    N_("level is low, {value} of {target} mm"), N_("resting"), N_("circulating"), N_("night"),
    N_("sunrise"), N_("sunset"), N_("day"), N_("never rests"),
    N_("by turns: {on} s every {every} s"), N_("watering, {time} s left"),
    N_("resting, {time} s left"), N_("no flow and no level, next try in {time} s"),
    N_("no flow is measured, {why}"), N_("the pump is on and nothing flows"),
    N_("water flows again"),
)
_CLIMATE = (
    N_("its relay is not switched so soon"), N_("it warms though the heater is off"),
    N_("fresh air of the hour"), N_("air is well"), N_("the air warmed by itself"),
    N_("the fan runs"), N_("air is cold, {value} of {target}"),
    N_("VPD is high, {value} of {target} Pa"), N_("VPD is low, {value} of {target} Pa"),
    N_("blindly, no air temperature ({fault})"),
    N_("rests of blind ventilation, no air temperature ({fault})"),
    N_("air is warm, {value} of {target}"), N_("air is humid, {value} of {most} %"),
    N_("air is humid, {value} %"), N_("no humidity to go by ({fault})"),
    N_("no air temperature ({fault})"), N_("air is too hot, {value} of {most}"),
    N_("warm enough, {value} of {target}"), N_("no VPD ({fault})"),
    N_("moist enough, {value} of {target} Pa"), N_("air is wet, {value} of {most} %"),
    N_("by {difference} to {value}"), N_("to {value}"), N_("{value} of {target}"),
    N_("air was too hot and is not cool yet"), N_("air was too hot, {time} left at the least"),
)
# What the safety gate says: idro.safety.
_GATE = (
    N_("stopped by a person"), N_("three abnormal resets within a day"),
    N_("the dose ledger was damaged"), N_("dosing had no effect"),
    N_("dosing worked the wrong way"), N_("there is no {what}"), N_("no reading of {channel} yet"),
    N_("{channel} has a fault: {fault}"), N_("{channel} is stale"),
    N_("the tank is full, {value} mm"), N_("water is on the floor"),
    N_("watching {channel} first, {count} of {all} good readings"),
    N_("the EC probe is out of the water, or was a minute ago"), N_("{what} is a doser"),
    N_("{what} is a switch"), N_("{what} is a dimmer"), N_("there is no circulation pump"),
    N_("circulation is off"), N_("{what} was given, {time} left"), N_("mixing, {time} left"),
    N_("mixing"), N_("at most {volume} ml a dose"),
    N_("budget of the {span} is spent, {volume} ml"),
    N_("budget of the {span} is spent, {volume} ml of {share} %"), N_("hour"),
    N_("corrections have had their day's share"), N_("top-off time of the day is spent"),
    N_("less than the pump can give"), N_("{why}; cut short: {cut}"),
    N_("all outputs were switched off"), N_("the dose ledger cannot be written"),
    N_("power failed during a dose, {time} left"), N_("control only advises"),
    N_("{what} is dosing"), N_("silent for {time} s"), N_("{time} min left"), N_("{time} s left"),
    N_("{time} min"), N_("{time} s"),
)
# Corrections, commands, settings, resets: idro.safety.correction, idro.app.
_NODE = (
    N_("eight hours have passed"), N_("the button was not pressed"),
    N_("all of the volume was given"), N_("the target is reached"),
    N_("press the button on the board"), N_("correction, released at the board"),
    N_("{doser} corrects no pH here"), N_("{what} takes a dose, not a run"),
    N_("it cannot be recorded: {why}"), N_("{setting}: cannot be written: {why}"),
    N_("out of memory: send it again"), N_("{setting}: out of memory: send it again"),
    N_("out of memory: check whether it took effect"),
    N_("out of memory: the connection was lost"), N_("rev: {value} is not above {limit}"),
    N_("{setting}: unknown setting"), N_("{setting}: true or false needed"),
    N_("{setting}: integer in {range} needed"), N_("{setting}: number in {range} needed"),
    N_("{setting}: low < target < full needed"),
    N_("{setting}: 0 or {value} needed: draining and {time} s"),
    N_("{setting}: not below climate.vent_minutes"),
    N_("{setting}: heating and two deadbands must be below it"),
    N_("{setting}: it must be above what is cooled to"),
    N_("{setting}: the low VPD and two deadbands must be below it"), N_("the board was reset"),
    N_("at most {volume} ml"), N_("ended by {who}"), N_("a correction is open: end it first"),
    N_("probes are being calibrated"),
    N_("the correction is open: each step waits for the button on the board"),
    N_("the correction is over"), N_("no correction was open"),
    N_("all dosing is stopped until it is resumed"), N_("dosing is released"),
    N_("{volume} ml of {what}"), N_("{what} at {share} % for {time} s"),
    N_("automatic dosing and filling are held for {time} min"),
    N_("automatic dosing and filling are released"), N_("this board has no button: pour by hand"),
    N_("a correction is open already"), N_("not signed with this node's key"),
    N_("it was meant for an earlier boot"), N_("it was received before"),
    N_("it expires too far ahead"), N_("it came {time} ms too late"),
    N_("a message was ignored: {why}"),
    N_("a settings slot was damaged: the last good one is in force"),
    N_("dosing failed and was started again"), N_("three days without a latch"),
    N_("dosing was latched"), N_("flash is full or refuses"),
    # Why a command ended before it was sent: idroserra.nodes.commands.
    N_("not adopted"), N_("the broker is not reachable"), N_("the node is offline"),
    N_("the node has not said yet which boot it runs"), N_("the node did not answer"),
    N_("it reached the host too late"), N_("power on"), N_("brownout"), N_("watchdog"),
    N_("hard reset"), N_("soft reset"), N_("deep sleep"),
)
# Why a release is not taken or was taken back: idro.update, idro.app.
_UPDATES = (
    N_("this board has no key for updates"), N_("its key is not one of this board's"),
    N_("its signature is not of a key of this board"),
    N_("its manifest is not the one that was offered"), N_("its manifest is malformed"),
    N_("its manifest cannot be read"), N_("{path} is not allowed in a release"),
    N_("{path} is missing"), N_("{path} is not in its manifest"),
    N_("{path} does not match its manifest"), N_("{path} ends too soon"),
    N_("it is for {what}, this is {board}"), N_("it needs kernel {value}, this board has {limit}"),
    N_("its security counter is {value}, this board is at {limit}"),
    N_("it needs {value} kB of flash, {free} kB are free"),
    N_("it was tried before and rolled back"), N_("it runs already"),
    N_("another update is under way"), N_("a dose is under way"),
    N_("the water level changes by itself: check the tank first"),
    N_("memory is low, {free} kB are free"), N_("the host does not answer"),
    N_("cancelled by {who}"), N_("flash failed: {why}"), N_("the node was never idle"),
    N_("an update is on trial and not confirmed yet"),
    N_("the update to {version} is being fetched"), N_("the update is cancelled"),
    N_("no update was under way"), N_("three boots brought no confirmation"),
    N_("ten minutes brought no confirmation"), N_("{channel} has no plausible reading"),
    N_("its task {task} failed"), N_("the dose ledger cannot be read"),
    N_("the host has stored nothing"),
)
# Texts of alarms as they are stored: idroserra.alarms.
_ALARMS = (
    N_("{count} of {all} nodes of {site} are silent."), N_("Broker: {why}."),
    N_("Database: {why}."), N_("Queue on the host's disk: {why}."), N_("The {what} failed: {why}"),
    N_("The host's disk cannot be read."), N_("{megabytes} MB are free."),
    N_("{count} within {time}."), N_("The clock shows a date before this software was released."),
    N_("To {who}: {why}"), N_("{channel}: no reading yet."),
    N_("{channel}: the newest reading is {time} old."), N_("{channel} is {value}, above {limit}."),
    N_("{channel} is {value}, below {limit}."), N_("Last heard {time} ago."), N_("Why: {why}."),
    N_("It was calibrated {days} days ago."), N_("{count} starts within {time}."),
    N_("{count} starts within {time}. {last}"), N_("Not known yet."),
    N_("The host's clock is {time} ahead of this node's time."),
    N_("The host's clock is {time} behind this node's time."), N_("The node reports: {why}."),
    N_("I2C bus {part}"), N_("Converter {part}"), N_("1-Wire bus {part}"),
    N_("Serial line {part}"), N_("{bus}: {channels} do not answer."),
    N_("{what}: {share} % left."), N_("Water flows to the roots."),
    N_("The pump is off and nothing flows."), N_("The air is not too hot."),
    N_("The air does not warm by itself."), N_("Dosing is not locked."), N_("{what}: {fault}"),
    N_("Alarms are not being evaluated: restart the host and check its log."),
    N_("Alarm changes are not saved and will be lost at a restart: {why}"),
)
# Errors and stored words of the host.
_HOST = (
    N_("name or password is wrong"),
    N_("too many log-ins that failed: wait {time}, then try again"),
    N_("user: there is no {name}"), N_("name: {name} is taken"),
    N_("{name}: the only admin; make another one first"),
    N_("there is an admin already: let them add you, or {how}"),
    N_("token: not the host's newest setup token"),
    N_("token: too old; {command} makes a new one"),
    N_("name: 1 to 32 of a-z, 0-9, . _ and -, a letter first"),
    N_("name: {name} means the machine; choose another one"),
    N_("password: at least {count} characters needed; a sentence is fine"),
    N_("password: at most {count} characters"), N_("password: too easy to guess"),
    N_("name: there is a token {name}; revoke it first"), N_("token: there is no {name}"),
    N_("The pH probe was calibrated {days} days ago: no acid or base is given until it is "
       "calibrated."),
    N_("The pH probe was calibrated {days} days ago: calibrate it; after {most} days no acid "
       "or base is given."),
    N_("{node} has not reported its settings yet: wait until it has connected once"),
    N_("{node} runs {recipe} already: stop it first"),
    N_("{node} cannot run {recipe}: {stage}: {why}"),
    N_("{node}: {recipe} is in its last stage: stop it instead"),
    N_("the node refused the setpoints: {why}"), N_("not sent: {why}"),
    N_("{why}; it is tried again"),
    N_("the host does not know this board: its limits of acid and base per litre are not"
       " considered"),
    N_("dosing is off: pH and EC stay as they are"),
    N_("the node gives advice only: a person has to dose"), N_("{need}, and the stage has {days}"),
    N_("needs {what}: the node may give nothing"),
    N_("needs {what}: {days} day of the budget, {volume} ml at {rate} ml a day"),
    N_("needs {what}: {days} days of the budget, {volume} ml at {rate} ml a day"),
    N_("needs {what}: only water lowers it, change about {share} of the reservoir"),
)
# What a calibration sees and refuses: idroserra.calibration.
_CALIBRATION = (
    N_("waiting for a reading"), N_("no reading ({fault})"),
    N_("watching: {count} readings in {time} s"), N_("settling: {why}"), N_("stable: {why}"),
    N_("moves {rate} a minute"), N_("noisy: scatters by {difference}"),
    N_("{why}; not settled in {time} min"), N_("{count} buffers are enough"),
    N_("buffer {buffer} was already measured: use another"),
    N_("buffers {one} and {other} are too close: use 4.01, 9.18 or 10.01 as well"),
    N_("the signal of {value} mV (about pH {share}) fits no buffer: is the probe in a cup, "
       "its cap off and its cable dry? If so, the electrode is worn out"),
    N_("this is not buffer {buffer}: the signal fits {other}. Check the cup, rinse, and try "
       "again{dead}"),
    N_("at least one buffer is needed"),
    N_("the electrode gives nearly the same signal in both buffers: it is dead, broken or "
       "shorted. Replace it"),
    N_("the signal moves the wrong way: the buffers are swapped"),
    N_("a slope of {value} %: {low} to {most} % is needed. {way}"),
    N_("Clean the electrode and use fresh buffers; if it stays, replace the electrode"),
    N_("Take a second buffer: one alone keeps the old slope"),
    N_("an offset of {value} mV: at most {most} mV is accepted. Was it buffer {buffer}? If "
       "so, the reference is spent: replace the electrode"),
    N_("the buffers do not lie on a line, by {value} pH: one of them is stale or was carried "
       "over. Rinse, and use fresh ones"),
    N_("two different buffers are needed"), N_("the cell cannot be read ({fault})"),
    N_("the cell is not dry: it shows {value}. Shake it, dab it, and look for salt or roots "
       "between its electrodes"),
    N_("standard {buffer} was already measured"),
    N_("the cell is in air: put it into the standard, and knock off the bubbles"),
    N_("this is not standard {buffer}: it looks like {other}. Check the cup and rinse the "
       "cell"),
    N_("a cell constant of {value}: {low} to {most} is accepted"),
    N_("at least one standard is needed"),
    N_("the standards disagree by {share} % ({what}): one is stale or diluted, they are "
       "swapped, or the cell is dirty"),
    N_("a depth of {value} mm: {low} to {most} is needed"), N_("two depths are enough"),
    N_("{value} and {limit} mm are too close: at least {low} mm apart is needed"),
    N_("at least one depth is needed"), N_("no activity for 15 minutes"),
    N_("the pump ran for {value} ms: at least {low} ms is needed for a measurement. Ask for "
       "a larger volume"),
    N_("nothing came out: is the bottle empty, the tube full, the pump turning the right " "way?"),
    N_("at least one run is needed"), N_("there is no point to delete"),
    N_("only a pump can be run"), N_("the pump is running"), N_("dosing is not held yet: {why}"),
    N_("the node has not answered"), N_("the node did not report the dosed volume"),
    N_("the node refused the settings: {why}"), N_("the settings changed meanwhile: start again"),
    N_("the node has not confirmed the settings; it receives them when it reconnects"),
    N_("the node has not reported its settings yet"),
    N_("One buffer corrects only the offset; the slope is unchanged."),
    N_("K {value} is far from 1: the cell is dirty, or not of K 1."),
    N_("12880 alone is far above nutrient solutions: take 1413 or 2760 too."),
    N_("The dry cell was not checked."),
    N_("The empty tank reads 0, so its zero is unchanged: lower values are cut."),
    N_("One depth corrects only the zero; the signal per mm is unchanged."),
    N_("The node has one flow for all its dosing pumps: check the others against it."),
    N_("A single run does not show how well it repeats."),
    N_("The probe's health is {share} of 100: dosing authority is reduced to {low} %. "
       "Replace the electrode."),
)
# Why a release goes no further through a fleet: idroserra.updates.
_ROLLOUTS = (
    N_("{node} reverted: {why}"), N_("{node} reverted"),
    N_("{node} has not come back from its trial"), N_("no node installed it: {why}"),
    N_("no node is left"), N_("replaced by {version}"), N_("observed for {time} min more"),
    N_("a new alarm is active"), N_("an alarm is active: {what}"),
    N_("Roll-out for {board}: {why}."), N_("the last dose is not known yet"),
    N_("a correction is open"), N_("a dose is pending"), N_("it dosed recently"),
    N_("it did not respond to the offer"), N_("it stopped downloading"),
    N_("it runs the previous version"), N_("to be offered again"), N_("offered"),
    N_("downloading"), N_("downloaded"), N_("trial"),
)
# What a look ahead took for granted, and what the journal refuses.
_AHEAD = (
    N_("{what} has no fresh reading: starts at {value}, its setpoint"),
    N_("{what} has no fresh reading: starts at {value}, usual"),
    N_("{what} has no fresh reading: starts at {value}, where top-off fills to"),
    N_("{water} water has an EC of {value} by itself: starts there, not at {target}"),
    N_("{water} water with these nutrients has pH {value}: starts there, not at {target}"),
    N_("acid, base and nutrients are as strong as the titration in the settings says"),
    N_("{setting} is {value}: no such stock fits this water, so doses may be far off; "
       "titrate, or choose another water"),
    N_("the crop is lettuce on {area} m2, with lamps of {light} umol/m2/s at full light; the "
       "room is at {value}"),
    N_("a preview of {node} is running ({share}%): wait for it, or cancel it"),
    N_("unix_ms: now or earlier, not before the year 2000"),
    N_("crop, count: of a planting or a harvest only"), N_("weight_g: of a harvest only"),
    N_("weight_g: a harvest needs its weight in g, or a count"), N_("text: a note needs one"),
    N_("note: there is no {name}"), N_("photos: a note has {most} at most"),
    N_("photo: the format is not supported: a JPEG, PNG or WebP is needed"),
    N_("photo: damaged, it cannot be read ({why}): a JPEG, PNG or WebP is needed"),
)
MESSAGE_PATTERNS = (
    *_CONTROL, *_CLIMATE, *_GATE, *_NODE, *_UPDATES, *_ALARMS, *_HOST, *_CALIBRATION, *_ROLLOUTS,
    *_AHEAD,
)
