import type { Contender } from '../contenders/contender.ts'
import { BODY_SIZES, type BodySize } from '../load/bodies.ts'
import { CONNECTIONS } from '../load/run-load.ts'
import { ratioOf, samplesOf, type Results } from '../results.ts'
import { spreadOf } from '../statistics.ts'
import { evaluateTargets, judge } from '../targets.ts'
import { formatMegabytes, formatNumber, formatSpread, markdownTable } from './format.ts'

/** The results for people, in Markdown; what was not measured is not mentioned. */
export function describeResults(
  results: Results,
  contenders: readonly Contender[],
  chartFile: string | undefined,
): string {
  const present = contenders.filter(({ id }) => results.samples.some(({ contender }) => contender === id))
  const sections = [
    describeRun(results),
    section('Targets', describeTargets(results)),
    present.length > 0 && section('Accepting', describeAccepting(results, present, chartFile)),
    present.length > 0 && section('What a 200 means', describeGuarantees(present, results)),
    present.length > 0 && section('Processor and memory', describeUsage(results, present)),
    results.drains.length > 0 && section('Draining', describeDrains(results)),
    results.storedBytes !== undefined && section('In Redis', describeStored(results)),
    results.lags.length > 0 && section('At a steady rate', describeLags(results)),
    section('Starting and recovering', describeStarts(results)),
    section('More of each', describeScale(results)),
  ]
  return sections.filter((text) => text !== false && text !== '').join('\n')
}

function section(title: string, text: string): string {
  return text === '' ? '' : `## ${title}\n\n${text}`
}

function describeRun({ measuredAt, seconds, rounds, machine, fsync, bodies, leftOut }: Results): string {
  const { processor, cores, memoryGib, system, fileSystem, versions } = machine
  const sizes = bodies.map(
    ({ size, bytes, compressedBytes }) =>
      `${size} (${formatNumber(bytes)} bytes, ${formatNumber(compressedBytes)} by zstd)`,
  )
  const missing = leftOut.map(({ contender, reason }) => `\`${contender}\` was left out: ${reason}.\n`)
  return `# Results of the bench

Written by \`npm run bench\` on ${measuredAt}, in ${formatNumber(seconds)} s; medians of ${rounds} rounds, lowest and highest in brackets.

- Machine: ${cores} cores (${processor}), ${memoryGib} GiB, ${system}. Load, servers and Redis share them.
- Disk: ${fileSystem}; an append of 4 KB is safe after ${formatNumber(fsync.p50Ms)} ms (p50), ${formatNumber(fsync.p99Ms)} ms (p99).
- Redis: \`appendfsync always\`, empty and new for each contender and round.
- Load: ${CONNECTIONS} kept-alive connections on the loopback, each with one request open; every webhook signed and with an id of its own.
- Bodies: ${sizes.join(', ')}.
- Versions: ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.

${missing.join('\n')}`
}

function describeTargets(results: Results): string {
  const targets = evaluateTargets(results).filter(
    ({ measured }) => results.isComplete || measured !== undefined,
  )
  if (targets.length === 0) return ''
  const rows = targets.map((target) => [
    target.name,
    `${target.bound} ${formatNumber(target.limit)} ${target.unit}`,
    target.measured === undefined ? '' : `${formatNumber(target.measured)} ${target.unit}`,
    judge(target),
  ])
  return markdownTable(['Target', 'Limit', 'Measured', ''], rows)
}

function describeAccepting(
  results: Results,
  contenders: readonly Contender[],
  chartFile: string | undefined,
): string {
  const chart = chartFile === undefined ? '' : `![accepted per second](${chartFile})\n\n`
  return chart + BODY_SIZES.map((size) => describeSize(results, contenders, size)).join('\n')
}

function describeSize({ samples }: Results, contenders: readonly Contender[], size: BodySize): string {
  const rows = contenders.flatMap(({ id, title }) => {
    const own = samplesOf(samples, id, size)
    if (own.length === 0) return []
    const median = (of: (sample: (typeof own)[number]) => number) =>
      formatNumber(spreadOf(own.map(of)).median)
    const ratio = ratioOf(samples, size, id, 'limit')
    const others = own.flatMap(({ load }) => Object.entries(load.others))
    const failed = own.reduce(
      (sum, { load }) => sum + Object.values(load.others).reduce((a, b) => a + b, 0),
      0,
    )
    const statuses = [...new Set(others.map(([status]) => (status === '0' ? 'no answer' : status)))]
    return [
      [
        title,
        formatSpread(spreadOf(own.map(({ acceptedPerSecond }) => acceptedPerSecond))),
        ratio === undefined ? '' : formatSpread(ratio),
        median(({ load }) => load.latencyMs.p50),
        median(({ load }) => load.latencyMs.p95),
        median(({ load }) => load.latencyMs.p99),
        median(({ load }) => load.latencyMs.p999),
        failed === 0 ? '0' : `${failed} (${statuses.join(', ')})`,
      ],
    ]
  })
  if (rows.length === 0) return ''
  const head = [size, 'accepted/s', 'of the limit', 'p50 ms', 'p95', 'p99', 'p99.9', 'other answers']
  return markdownTable(head, rows)
}

function describeGuarantees(contenders: readonly Contender[], { samples }: Results): string {
  const yes = (value: boolean) => (value ? 'yes' : 'NO')
  const rows = contenders.map(({ id, title, guarantees }) => [
    title,
    formatNumber(spreadOf(samplesOf(samples, id, '1.5KB').map((sample) => sample.acceptedPerSecond)).median),
    yes(guarantees.signature),
    yes(guarantees.durable),
    yes(guarantees.deduplicated),
    yes(guarantees.rawBytes),
    guarantees.note,
  ])
  return markdownTable(
    [
      '',
      '1.5KB/s',
      'signature checked',
      'on disk before the answer',
      'deduplicated',
      'signed bytes kept',
      '',
    ],
    rows,
  )
}

function describeUsage({ samples, bodies }: Results, contenders: readonly Contender[]): string {
  const sizes = bodies.map(({ size }) => size)
  const rows = contenders.flatMap(({ id, title }) => {
    const names = Object.keys(samples.find(({ contender }) => contender === id)?.parts ?? {})
    return names.map((name) => {
      const median = (size: BodySize, field: 'cpuMicroseconds' | 'restBytes' | 'peakBytes') =>
        spreadOf(samplesOf(samples, id, size).map(({ parts }) => parts[name]?.[field] ?? Number.NaN)).median
      return [
        title,
        name,
        ...sizes.map((size) => formatNumber(median(size, 'cpuMicroseconds'))),
        formatMegabytes(median(sizes[0] ?? '1.5KB', 'restBytes')),
        ...sizes.map((size) => formatMegabytes(median(size, 'peakBytes'))),
      ]
    })
  })
  const cpu = sizes.map((size) => `CPU µs per webhook, ${size}`)
  const memory = sizes.map((size) => `most, ${size}`)
  return markdownTable(['', 'processes', ...cpu, 'resident MB at rest', ...memory], rows)
}

function describeDrains({ drains }: Results): string {
  const rows = drains.map(
    ({ workers, handlers, deliveries, deliveriesPerSecond, cpuMicroseconds, ...rest }) => [
      String(workers),
      String(handlers),
      formatNumber(deliveries),
      formatNumber(deliveriesPerSecond),
      formatNumber(cpuMicroseconds.worker),
      formatNumber(cpuMicroseconds.redis),
      formatMegabytes(rest.workerPeakBytes),
      formatNumber(rest.bytes.waiting),
      formatNumber(rest.bytes.finished),
      formatNumber(rest.bytes.encodedBody),
    ],
  )
  const head = ['workers', 'handlers', 'backlog', 'deliveries/s', 'CPU µs: workers', 'Redis', 'worker MB']
  const table = markdownTable([...head, 'bytes waiting', 'finished', 'its encoded body'], rows)
  return `Of 1.5KB, nothing else going on. The handlers are \`log\` and others that do nothing; CPU and bytes in Redis are for each delivery.\n\n${table}`
}

function describeStored({ storedBytes }: Results): string {
  if (storedBytes === undefined) return ''
  return markdownTable(
    ['What Redis keeps', 'bytes'],
    [
      ['a waiting delivery of 64KB', formatNumber(storedBytes.waitingLarge)],
      ['a remembered outcome', formatNumber(storedBytes.rememberedOutcome)],
    ],
  )
}

function describeLags({ lags }: Results): string {
  const rows = lags.map(({ size, ratePerSecond, answerMs, answerToHandlerMs, fsync }) => [
    `${ratePerSecond}/s of ${size}`,
    ...[
      answerMs.p50,
      answerMs.p99,
      answerToHandlerMs.p50,
      answerToHandlerMs.p99,
      fsync.p50Ms,
      fsync.p99Ms,
    ].map(formatNumber),
  ])
  const head = ['`all`, ms', 'answer p50', 'p99', 'answer to handler p50', 'p99', 'fsync p50', 'p99']
  return `The fsync times were measured right before and after.\n\n${markdownTable(head, rows)}`
}

function describeStarts({ startUps, recovery }: Results): string {
  const rows = startUps.map(({ role, readySeconds }) => [
    `\`${role}\`: warm start until ready`,
    formatSpread(readySeconds),
  ])
  if (recovery !== undefined) {
    rows.push(
      ['worker killed: until a handler runs again', formatNumber(recovery.firstRunAfterSeconds)],
      [`until all ${recovery.held} that it held run again`, formatNumber(recovery.heldRunAgainAfterSeconds)],
    )
  }
  return rows.length === 0 ? '' : markdownTable(['', 'seconds'], rows)
}

function describeScale({ receivers, backlog }: Results): string {
  const rows = receivers.map(({ receivers: count, acceptedPerSecond }) => [
    `${count} receiver${count === 1 ? '' : 's'} on one Redis`,
    formatNumber(acceptedPerSecond),
  ])
  if (backlog !== undefined) {
    rows.push([
      `1 receiver while ${formatNumber(backlog.waiting)} deliveries wait (p99 ${formatNumber(backlog.p99Ms)} ms)`,
      formatNumber(backlog.acceptedPerSecond),
    ])
  }
  return rows.length === 0 ? '' : markdownTable(['Accepting 1.5KB', 'accepted/s'], rows)
}
