"""Sentences that are made elsewhere in English, as patterns for idroserra.i18n.said().

Nodes tell why they did what they did; their firmware speaks English, and so does what is stored.
A pattern's `{difference}` is a difference of two values, which an offset of a unit does not move;
`{ec}` and `{ec_target}` are uS/cm without saying so, and are told with their unit.
"""

from __future__ import annotations

from idroserra.i18n import marked

# Why control did or did not: idro.control, idro.app.loops.
_CONTROL = (
    marked("held: {why}"), marked("on: {why}"), marked("off: {why}"), marked("locked: {why}"),
    marked("dark: {why}"), marked("light: {why}"), marked("filling: {why}"),
    marked("advice: {why}"), marked("in band: {what}, {value} at {target}"),
    marked("in band: EC, {ec} at {ec_target}"),
    marked("monitor only: dosing is switched off"),
    marked("nutrient B comes first"), marked("pH takes its turn"), marked("EC comes first"),
    marked("no level ({fault})"), marked("no EC ({fault})"), marked("no pH ({fault})"),
    marked("water is low, {value} of {low} mm"), marked("filling"),
    marked("EC is below {value}: is the probe in the water?"),
    marked("nutrient A was given, B follows in {time} s"), marked("nutrient B waits: {why}"),
    marked("EC low: nutrient B after A, {volume} ml"),
    marked("EC low: nutrient A, {ec} at {ec_target}"),
    marked("EC is high and only water lowers it, {ec} above {ec_target}"),
    marked("EC is low but {why}"), marked("pH is not believed, {value}"),
    marked("pH is low but comes back by itself, {value}"),
    marked("pH is high but comes back by itself, {value}"),
    marked("pH is low but {why}"), marked("pH is high but {why}"),
    marked("pH low: {doser}, {value} at {target}, {strength} ml/pH, drift {drift}/h"),
    marked("pH high: {doser}, {value} at {target}, {strength} ml/pH, drift {drift}/h"),
    marked("the least dose is too much, {volume} ml"),
    marked("pH probe was calibrated {days} days ago"),
    marked("give {volume} ml of {doser}, {why}"),
    marked("water is in the beds"), marked("a correction is under way"),
    marked("calibration, {time} left"), marked("by hand"),
    marked("{why}: up to {volume} ml of B are missing"),
    marked("{doser} had no effect: is the bottle empty, is air in the line, is the probe dead?"),
    marked("{doser} worked the wrong way: are tubes or bottles swapped, is the probe dead?"),
    marked("the tank leaks and does not stay full"),
    marked("water rises with the valve shut, {moved} mm"),
    marked("water leaves faster than plants drink, {moved} mm an hour"),
    marked("the tank did not fill in time, next try in {time} min"), marked("full enough"),
    marked("level is low, {value} of {target} mm"),
    marked("resting"), marked("circulating"), marked("night"), marked("sunrise"),
    marked("sunset"), marked("day"),
    marked("never rests"), marked("by turns: {on} s every {every} s"),
    marked("watering, {time} s left"), marked("resting, {time} s left"),
    marked("no flow and no level, next try in {time} s"),
    marked("no flow is measured, {why}"), marked("the pump is on and nothing flows"),
    marked("water flows again"),
)
_CLIMATE = (
    marked("its relay is not switched so soon"), marked("it warms though the heater is off"),
    marked("fresh air of the hour"), marked("air is well"), marked("the air warmed by itself"),
    marked("the fan runs"), marked("air is cold, {value} of {target}"),
    marked("VPD is high, {value} of {target} Pa"), marked("VPD is low, {value} of {target} Pa"),
    marked("blindly, no air temperature ({fault})"),
    marked("rests of blind ventilation, no air temperature ({fault})"),
    marked("air is warm, {value} of {target}"), marked("air is humid, {value} of {most} %"),
    marked("air is humid, {value} %"), marked("no humidity to go by ({fault})"),
    marked("no air temperature ({fault})"), marked("air is too hot, {value} of {most}"),
    marked("warm enough, {value} of {target}"), marked("no VPD ({fault})"),
    marked("moist enough, {value} of {target} Pa"), marked("air is wet, {value} of {most} %"),
    marked("by {difference} to {value}"), marked("to {value}"), marked("{value} of {target}"),
    marked("air was too hot and is not cool yet"),
    marked("air was too hot, {time} left at the least"),
)
# What the safety gate says: idro.safety.
_GATE = (
    marked("stopped by a person"), marked("three abnormal resets within a day"),
    marked("the dose ledger was damaged"), marked("dosing had no effect"),
    marked("dosing worked the wrong way"), marked("there is no {what}"),
    marked("no reading of {channel} yet"), marked("{channel} has a fault: {fault}"),
    marked("{channel} is stale"), marked("the tank is full, {value} mm"),
    marked("water is on the floor"),
    marked("watching {channel} first, {count} of {all} good readings"),
    marked("there is no circulation pump"), marked("circulation is off"),
    marked("{what} was given, {time} left"), marked("mixing, {time} left"), marked("mixing"),
    marked("at most {volume} ml a dose"),
    marked("budget of the {span} is spent, {volume} ml"),
    marked("budget of the {span} is spent, {volume} ml of {share} %"), marked("hour"),
    marked("corrections have had their day's share"), marked("top-off time of the day is spent"),
    marked("less than the pump can give"), marked("{why}; cut short: {cut}"),
    marked("all outputs were switched off"), marked("the dose ledger cannot be written"),
    marked("power failed during a dose, {time} left"), marked("control only advises"),
    marked("{what} is dosing"), marked("silent for {time} s"), marked("{time} min left"),
    marked("{time} s left"), marked("{time} min"), marked("{time} s"),
)
# Corrections, commands, settings, resets: idro.safety.correction, idro.app.
_NODE = (
    marked("eight hours have passed"), marked("nobody pressed the button"),
    marked("all of the volume was given"), marked("the target is reached"),
    marked("press the button on the board"), marked("correction, released at the board"),
    marked("the board was reset"), marked("at most {volume} ml"), marked("ended by {who}"),
    marked("a correction is open: end it first"), marked("probes are being calibrated"),
    marked("the correction is open: each step waits for the button on the board"),
    marked("the correction is over"), marked("no correction was open"),
    marked("all dosing is stopped until it is resumed"), marked("dosing is released"),
    marked("{volume} ml of {what}"), marked("{what} at {share} % for {time} s"),
    marked("automatic dosing and filling are held for {time} min"),
    marked("automatic dosing and filling are released"),
    marked("this board has no button: pour by hand"), marked("a correction is open already"),
    marked("not signed with this node's key"), marked("it was meant for an earlier boot"),
    marked("it was received before"), marked("it expires too far ahead"),
    marked("it came {time} ms too late"), marked("a message was ignored: {why}"),
    marked("a settings slot was damaged: the last good one is in force"),
    marked("dosing failed and was started again"), marked("three days without a latch"),
    marked("dosing was latched"), marked("flash is full or refuses"),
    marked("power on"), marked("brownout"), marked("watchdog"), marked("hard reset"),
    marked("soft reset"), marked("deep sleep"),
)
# Texts of alarms as they are stored: idroserra.alarms.
_ALARMS = (
    marked("{count} of {all} nodes of {site} are silent."), marked("The broker: {why}."),
    marked("The database: {why}."), marked("The queue on the host's disk: {why}."),
    marked("The {what} failed: {why}"), marked("The host's disk cannot be read."),
    marked("{megabytes} MB are free."), marked("{count} within {time}."),
    marked("It is set before this software was written."), marked("To {who}: {why}"),
    marked("{channel}: no reading yet."), marked("{channel}: the newest reading is {time} old."),
    marked("{channel} is {value}, above {limit}."), marked("{channel} is {value}, below {limit}."),
    marked("Last heard {time} ago."), marked("Why: {why}."),
    marked("{count} starts within {time}."),
    marked("{count} starts within {time}. {last}"), marked("Not known yet."),
    marked("The host's clock is {time} ahead of this node's time."),
    marked("The host's clock is {time} behind this node's time."), marked("It says: {why}."),
    marked("I2C bus {part}"), marked("Converter {part}"), marked("1-Wire bus {part}"),
    marked("Serial line {part}"),
    marked("{bus}: {channels} do not answer."), marked("{what}: {share} % left."),
    marked("Water flows to the roots."), marked("The pump off, nothing flows."),
    marked("The air is not too hot."), marked("The air does not warm by itself."),
    marked("Dosing is not locked."), marked("{what}: {fault}"),
    marked("The alarms are not being looked at: restart the host, see its log."),
    marked("What happens to alarms is not kept over a restart: {why}"),
)
# Errors and stored words of the host.
_HOST = (
    marked("name or password is wrong"),
    marked("too many log-ins that failed: wait {time}, then try again"),
    marked("user: there is no {name}"), marked("name: {name} is taken"),
    marked("{name}: the only admin; make another one first"),
    marked("there is an admin already: let them add you, or {how}"),
    marked("token: not the host's newest setup token"),
    marked("token: too old; {command} makes a new one"),
    marked("name: 1 to 32 of a-z, 0-9, . _ and -, a letter first"),
    marked("name: {name} means the machine; choose another one"),
    marked("password: at least {count} characters needed; a sentence is fine"),
    marked("password: at most {count} characters"), marked("password: too easy to guess"),
    marked("name: there is a token {name}; revoke it first"),
    marked("token: there is no {name}"),
    marked("The pH probe was calibrated {days} days ago: no acid or base is given until it is "
           "calibrated."),
    marked("The pH probe was calibrated {days} days ago: calibrate it; after {most} days no acid "
           "or base is given."),
    marked("{node} has not told its settings yet: wait until it was here once"),
    marked("{node} runs {recipe} already: stop it first"),
    marked("{node} cannot run {recipe}: {stage}: {why}"),
    marked("{node}: {recipe} is in its last stage: stop it instead"),
    marked("the node refused the setpoints: {why}"), marked("not sent: {why}"),
    marked("{why}; it is tried again"),
    marked("the host does not know this board: its ceilings of acid and base by the litre are not "
           "counted"),
    marked("dosing is off: pH and EC stay as they are"),
    marked("the node only advises: somebody has to dose"),
    marked("{need}, and the stage has {days}"),
    marked("needs {what}: the node may give nothing"),
    marked("needs {what}: {days} day of the budget, {volume} ml at {rate} ml a day"),
    marked("needs {what}: {days} days of the budget, {volume} ml at {rate} ml a day"),
    marked("needs {what}: only water lowers it, change about {share} of the reservoir"),
)
# What a calibration sees and refuses: idroserra.calibration.
_CALIBRATION = (
    marked("waiting for a reading"), marked("no reading ({fault})"),
    marked("watching: {count} readings in {time} s"),
    marked("settling: {why}"), marked("stable: {why}"), marked("moves {rate} a minute"),
    marked("noisy: scatters by {difference}"), marked("{why}; not settled in {time} min"),
    marked("{count} buffers are enough"),
    marked("buffer {buffer} was taken already: another is needed"),
    marked("buffers {one} and {other} are too near to each other: take 4.01, 9.18 or 10.01 "
           "besides"),
    marked("the signal of {value} mV (about pH {share}) fits no buffer: is the probe in a cup, "
           "its cap off and its cable dry? If so, the electrode is worn out"),
    marked("this is not buffer {buffer}: the signal fits {other}. Check the cup, rinse, and try "
           "again{dead}"),
    marked("at least one buffer is needed"),
    marked("the electrode gives nearly the same signal in both buffers: it is dead, broken or "
           "shorted. Replace it"),
    marked("the signal moves the wrong way: the buffers are swapped"),
    marked("a slope of {value} %: {low} to {most} % is needed. {way}"),
    marked("Clean the electrode and use fresh buffers; if it stays, replace the electrode"),
    marked("Take a second buffer: one alone keeps the old slope"),
    marked("an offset of {value} mV: at most {most} mV is accepted. Was it buffer {buffer}? If "
           "so, the reference is spent: replace the electrode"),
    marked("the buffers do not lie on a line, by {value} pH: one of them is stale or was carried "
           "over. Rinse, and use fresh ones"),
    marked("two different buffers are needed"), marked("the cell cannot be read ({fault})"),
    marked("the cell is not dry: it shows {value}. Shake it, dab it, and look for salt or roots "
           "between its electrodes"),
    marked("standard {buffer} was taken already"),
    marked("the cell is in air: put it into the standard, and knock off the bubbles"),
    marked("this is not standard {buffer}: it looks like {other}. Check the cup and rinse the "
           "cell"),
    marked("a cell constant of {value}: {low} to {most} is accepted"),
    marked("at least one standard is needed"),
    marked("the standards disagree by {share} % ({what}): one is stale or diluted, they are "
           "swapped, or the cell is dirty"),
    marked("a depth of {value} mm: {low} to {most} is needed"), marked("two depths are enough"),
    marked("{value} and {limit} mm are too near: at least {low} mm apart is needed"),
    marked("at least one depth is needed"), marked("nobody went on with it for a quarter of an "
                                                   "hour"),
    marked("the pump ran for {value} ms: at least {low} ms is needed for a measurement. Ask for "
           "a larger volume"),
    marked("nothing came out: is the bottle empty, the tube full, the pump turning the right "
           "way?"),
    marked("at least one run is needed"), marked("there is no point to take back"),
    marked("only a pump can be run"), marked("the pump is running"),
    marked("dosing is not held yet: {why}"), marked("the node has not answered"),
    marked("the node did not tell what it gave"), marked("the node refused the settings: {why}"),
    marked("other settings came in between: begin again"),
    marked("the node has not confirmed the settings; it gets them as soon as it is back"),
    marked("the node has not said yet which settings are in force"),
    marked("One buffer moves the offset only: the slope stays as it was."),
    marked("K {value} is far from 1: the cell is dirty, or not of K 1."),
    marked("12880 alone is far above nutrient solutions: take 1413 or 2760 too."),
    marked("The dry cell was not looked at."),
    marked("The empty tank reads 0: its zero stays, for below 0 nothing is shown."),
    marked("One depth moves the zero only: the millimetre stays as it was."),
    marked("The node has one flow for all its dosing pumps: check the others against it."),
    marked("One run says nothing of how well it repeats."),
    marked("The probe's health is {share} of 100: dosing goes back to {low} % of its budgets. "
           "Replace the electrode."),
)
# What a look ahead took for granted, and what the journal refuses.
_AHEAD = (
    marked("{what} has no fresh reading: begun at {value}, its setpoint"),
    marked("{what} has no fresh reading: begun at {value}, usual"),
    marked("{what} has no fresh reading: begun at {value}, where top-off fills to"),
    marked("{water} water has an EC of {value} by itself: begun there, not at {target}"),
    marked("{water} water with these nutrients has pH {value}: begun there, not at {target}"),
    marked("acid, base and nutrients are as strong as the titration in the settings says"),
    marked("{setting} is {value}: no stock is so strong or weak in this water, so doses may be "
           "far off; titrate, or choose another water"),
    marked("the crop is lettuce on {area} m2, with lamps of {light} umol/m2/s at full light; the "
           "room is at {value}"),
    marked("a preview of {node} is running ({share}%): wait for it, or cancel it"),
    marked("unix_ms: now or earlier, not before the year 2000"),
    marked("crop, count: of a planting or a harvest only"),
    marked("weight_g: of a harvest only"),
    marked("weight_g: a harvest needs its weight in g, or a count"),
    marked("text: a note needs one"),
    marked("note: there is no {name}"), marked("photos: a note has {most} at most"),
    marked("photo: not one we can read: a JPEG, PNG or WebP is needed"),
    marked("photo: damaged, it cannot be read ({why}): a JPEG, PNG or WebP is needed"),
)
SAID = (*_CONTROL, *_CLIMATE, *_GATE, *_NODE, *_ALARMS, *_HOST, *_CALIBRATION, *_AHEAD)
