/** The tests of a node, run with the other runtime class: `npm run test:gvisor`. */
import { busybox, catalogue } from "./layers.ts";

/** Every instance that does not ask for a runtime class gets gVisor: the tests of the default class, run with the other. */
export const IN_GVISOR = process.env["BERTH_TEST_ISOLATION"] === "gvisor";

/** For tests of what the host's kernel would do with the app's own system calls. */
export const otherKernel = { skip: IN_GVISOR && "the app's system calls are gVisor's" };

/** Node.js for `inNetwork`, and layers that have it where it runs with the instance's files. */
export const NODE_PROGRAM = IN_GVISOR ? "node" : process.execPath;
export const nodeLayers = () => (IN_GVISOR ? { layers: [...catalogue("node"), busybox()] } : {});
