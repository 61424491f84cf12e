/** Start: who we are, then the watchdog, the feed and the tiles, then what follows from them. */
import "./theme.css";
import "./styles/shell.css";
import "./styles/ward.css";
import "./styles/tiles.css";
import "./styles/media.css";
import "./styles/wall.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { App, startTheme } from "./app";
import { startContract } from "./parts/contract";
import { startFlashing } from "./parts/flash";
import { startSight } from "./sight";
import { forgetTold } from "./state/actions";
import { startAnnouncing } from "./state/announce";
import { startAttention } from "./state/attention";
import { tick } from "./state/clock";
import { startFeed, stopFeed, watchFeed } from "./state/feed";
import { go, listen, parse, route } from "./state/route";
import { begin, session, sign } from "./state/session";
import { startSound } from "./state/sound";
import { startTiles, stopTiles, watchTiles } from "./state/tiles";
import { onTick, startWatchdog } from "./state/watchdog";

const RETRY_TICKS = 6;

function start(): void {
  startTheme();
  listen();
  startWatchdog();
  startSound();
  startAnnouncing();
  startAttention();
  startFlashing();
  startContract();
  startSight();
  watchFeed();
  watchTiles();
  onTick(tick);
  let ticks = 0;
  onTick(() => {
    ticks += 1;
    if (sign.peek().phase === "unreachable" && ticks % RETRY_TICKS === 0) void begin();
  });
  effect(() => {
    const who = session.value;
    if (!who) {
      stopFeed();
      stopTiles();
      forgetTold();
      return;
    }
    startFeed();
    startTiles();
    if (who.role === "wall" && !route.peek().wall && route.peek().name === "ward") go("#/wall");
  });
  const app = document.getElementById("app");
  if (app) render(<App />, app);
  void begin().then(() => {
    route.value = parse(location.hash);
  });
}

start();
