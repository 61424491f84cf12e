import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Count, mean, least and greatest per patient in windows of ten seconds by Kafka Streams' own DSL, with its defaults:
 * updates leave the record cache when it is full and at each commit, so the last word on a window is what counts.
 *
 * <p>Arguments: KAFKA FROM TO APPLICATION FOLDER READINGS STORE PER_RECORD, the store rocksdb or memory. It ends by
 * itself, with everything committed, when it has taken so many readings. A reading is Vigil's row of 64 bytes
 * (docs/wire-format.md): its time stands at byte 32 in microseconds, its value at 48.
 */
public final class TumblingJob {
  private static final int ROW = 64;
  private static final int AT_OBSERVED = 32;
  private static final int AT_VALUE = 48;
  private static final int RESULT = 40;
  private static final Duration WIDTH = Duration.ofSeconds(10);
  private static final Duration GRACE = Duration.ofMinutes(1);
  private static final AtomicLong TAKEN = new AtomicLong();

  private TumblingJob() {}

  /** Count, sum and extremes so far. */
  record Sums(long count, double sum, double min, double max) {
    static final Sums NONE = new Sums(0, 0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY);

    Sums plus(double value) {
      return new Sums(count + 1, sum + value, Math.min(min, value), Math.max(max, value));
    }
  }

  private static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static Serde<Sums> sums() {
    Serializer<Sums> to =
        (topic, each) ->
            each == null
                ? null
                : little(new byte[32])
                    .putLong(each.count())
                    .putDouble(each.sum())
                    .putDouble(each.min())
                    .putDouble(each.max())
                    .array();
    Deserializer<Sums> from =
        (topic, bytes) -> {
          if (bytes == null) {
            return null;
          }
          ByteBuffer at = little(bytes);
          return new Sums(at.getLong(), at.getDouble(), at.getDouble(), at.getDouble());
        };
    return Serdes.serdeFrom(to, from);
  }

  private static byte[] result(long start, Sums each) {
    return little(new byte[RESULT])
        .putLong(start * 1000)
        .putLong(each.count())
        .putDouble(each.sum() / each.count())
        .putDouble(each.min())
        .putDouble(each.max())
        .array();
  }

  /** One record of many readings becomes a record of each, at its own time, under the same key. */
  static final class Split extends ContextualFixedKeyProcessor<byte[], byte[], byte[]> {
    @Override
    public void process(FixedKeyRecord<byte[], byte[]> record) {
      ByteBuffer rows = little(record.value());
      for (int first = 0; first < rows.capacity(); first += ROW) {
        byte[] row = new byte[ROW];
        rows.get(first, row);
        context().forward(record.withValue(row).withTimestamp(rows.getLong(first + AT_OBSERVED) / 1000));
      }
    }
  }

  private static StreamsBuilder topology(String from, String to, String store, boolean many) {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<byte[], byte[]> rows =
        builder.stream(
            from,
            Consumed.with(Serdes.ByteArray(), Serdes.ByteArray())
                .withTimestampExtractor(
                    (record, before) -> little((byte[]) record.value()).getLong(AT_OBSERVED) / 1000));
    if (many) {
      rows = rows.processValues(Split::new);
    }
    rows.groupByKey(Grouped.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .windowedBy(TimeWindows.ofSizeAndGrace(WIDTH, GRACE))
        .aggregate(
            () -> Sums.NONE,
            (key, row, before) -> {
              TAKEN.incrementAndGet();
              return before.plus(little(row).getDouble(AT_VALUE));
            },
            Materialized.<byte[], Sums, WindowStore<Bytes, byte[]>>as("windows")
                .withStoreType(
                    store.equals("memory")
                        ? Materialized.StoreType.IN_MEMORY
                        : Materialized.StoreType.ROCKS_DB)
                .withKeySerde(Serdes.ByteArray())
                .withValueSerde(sums())
                .withRetention(WIDTH.plus(GRACE)))
        .toStream()
        .map((window, each) -> KeyValue.pair(window.key(), result(window.window().start(), each)))
        .to(to, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    return builder;
  }

  public static void main(String[] arguments) throws InterruptedException {
    Properties given = new Properties();
    given.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    given.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
    given.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
    long wanted = Long.parseLong(arguments[5]);
    given.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    given.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    StreamsBuilder builder = topology(arguments[1], arguments[2], arguments[6], !arguments[7].equals("1"));
    try (KafkaStreams streams = new KafkaStreams(builder.build(), given)) {
      streams.setUncaughtExceptionHandler(
          problem -> {
            System.err.println(problem);
            System.exit(1);
            return null;
          });
      streams.start();
      while (TAKEN.get() < wanted) {
        Thread.sleep(20);
      }
    }
  }
}
