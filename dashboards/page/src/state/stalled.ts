/** Data that stands still, in words for the banner, and what of it this screen must say and sound by itself. */
import { computed } from "@preact/signals";
import { stalledWords, untoldMs } from "../logic/stalled";
import { simulated } from "./clock";
import { heartbeat, siteFaults } from "./feed";
import { inScope } from "./scope";
import { siteName } from "./tiles";

/** From where nothing is judged, one sentence; empty while all is. */
export const stalledAt = computed(() => (heartbeat.value?.state === "stalled" ? stalledWords(heartbeat.value.where, siteName) : ""));
/** For how long, ms as of the last heartbeat, where nobody else tells this screen; null while all is well. A replay may stand. */
export const untold = computed(() => (simulated.value ? null : untoldMs(heartbeat.value, siteFaults.value, (site) => inScope({ site }))));
/** The same as yes or no: it changes when that begins and ends. */
export const stalled = computed(() => untold.value !== null);
