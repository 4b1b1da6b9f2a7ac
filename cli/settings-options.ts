/** Options that `deploy` and `scale` share. */
import { Option, type Command } from "commander";
import { parseCommand, parseCpu, parseDuration, parseMemory, repeated, wholeNumber } from "./flags.ts";
import { httpOptions } from "./http-options.ts";
import { strategyOptions } from "./strategy-options.ts";

export function settingsOptions(command: Command): Command {
  return strategyOptions(httpOptions(command))
    .addOption(new Option("--replicas <n>", "a fixed number of instances behind the one URL").argParser(wholeNumber("--replicas", 0, 100)).conflicts(["min", "max", "cpuPercent"]))
    .option("--min <n>", "instances by demand: at least so many; 0 sleeps when nobody asks", wholeNumber("--min", 0, 100))
    .option("--max <n>", "instances by demand: at most so many", wholeNumber("--max", 1, 100))
    .option("--cpu-percent <n>", "instances by demand: more of them when they use more than so much of their cpu", wholeNumber("--cpu-percent", 1, 100))
    .option("--freeze-after <time>", "freeze an instance that nobody asked for so long: 1m", parseDuration)
    .option("--no-freeze", "never freeze instances")
    .option("--memory <size>", "memory of one instance: 512m, 1g", parseMemory)
    .option("--disk <size>", "all that one instance writes beside its volumes: 512m, 4g", parseMemory)
    .option("--cpu <cpus>", "cpus of one instance: 0.5, 2", parseCpu)
    .option("--port <port>", "the port that the app listens on (default: EXPOSE, else 8080)", wholeNumber("--port", 1, 65_535))
    .option("--private", "no URL: reachable as NAME.internal for your other apps alone")
    .option("--no-private", "has a URL again")
    .option("--command <command>", "replaces the image's CMD: a JSON array, or a line for /bin/sh", parseCommand)
    .option("--ready-path <path>", 'ready when GET of it answers 2xx or 3xx (default: the port accepts; "" goes back to that)')
    .option("--recheck <time>", "with --ready-path: ask again so often, and send no requests while it fails: 10s", parseDuration)
    .option("--live-path <path>", 'restarted when GET of it fails three times in a row, every 10 s (default: never asked; "" goes back to that)')
    .option("--release-command <command>", 'must end with 0 before a new release starts, such as migrations ("": none)', (text) => (text === "" ? [] : parseCommand(text)))
    .option("--pre-stop <command>", 'runs beside the app before it is stopped, within --stop-grace ("": nothing)', (text) => (text === "" ? [] : parseCommand(text)))
    .option("--ready-timeout <time>", "how long a start may take: 60s", parseDuration)
    .option("--stop-grace <time>", "from SIGTERM to SIGKILL: 30s", parseDuration)
    .addOption(new Option("--isolation <class>", "what stands between the app and the host's kernel").choices(["crun", "gvisor"]))
    .option("--mount <volume:path>", 'keep what is written there in a volume: data:/var/lib/data, with «:1g» made if there is none, «:ro» read-only, «:shared» for several instances; may be repeated ("": none)', repeated)
    .option("--scratch <path:size>", 'a directory of that size that goes with its instance; may be repeated ("": none)', repeated)
    .option("--concurrency <n>", "requests that one instance gets at the same time", wholeNumber("--concurrency", 1, 1000));
}
