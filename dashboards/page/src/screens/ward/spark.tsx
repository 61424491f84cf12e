/** The last hours in a line, with the limits as a band. Redrawn when a point joins it, and every five minutes. */
import { computed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { band, path, scaleOf, SPARK_HEIGHT, SPARK_WIDTH } from "../../logic/face";
import type { Metric, Tile } from "../../logic/live";
import { minute, now } from "../../state/clock";
import { spark, SPARK_HOURS } from "../../state/tiles";

const step = computed(() => Math.floor(minute.value / 5));

export function Spark({ patient, tile, metric }: { patient: string; tile: ReadonlySignal<Tile | null>; metric: Metric }) {
  const drawn = useMemo(() => {
    const points = spark(patient);
    const limits = computed(() => JSON.stringify(tile.value?.vitals[metric]?.limits ?? null));
    const edge = computed(() => band(JSON.parse(limits.value) as never, scaleOf(points.value[metric], metric)));
    return {
      line: computed(() => {
        void step.value;
        return path(points.value[metric], metric, now.peek(), SPARK_HOURS);
      }),
      y: computed(() => edge.value?.y ?? 0),
      height: computed(() => edge.value?.height ?? 0),
    };
  }, [patient, tile, metric]);
  return (
    <svg class="spark" viewBox={`0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <rect class="band" x="0" width={SPARK_WIDTH} y={drawn.y} height={drawn.height} />
      <path class="line" d={drawn.line} />
    </svg>
  );
}
