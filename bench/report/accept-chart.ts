import type { Contender } from '../contenders/contender.ts'
import { BODY_SIZES } from '../load/bodies.ts'
import { samplesOf, type Results } from '../results.ts'
import { spreadOf } from '../statistics.ts'
import { drawBarChart } from './bar-chart.ts'
import { formatNumber } from './format.ts'

const OURS = new Set(['receiver', 'all'])

/** Accepted webhooks per second of each contender, a panel for each size. */
export function drawAcceptChart({ samples }: Results, contenders: readonly Contender[]): string {
  return drawBarChart(
    BODY_SIZES.map((size) => ({
      title: `Accepted per second, ${size}`,
      bars: contenders.flatMap(({ id, title }) => {
        const rates = samplesOf(samples, id, size).map(({ acceptedPerSecond }) => acceptedPerSecond)
        if (rates.length === 0) return []
        const value = spreadOf(rates).median
        return [
          { label: title.replaceAll('`', ''), value, text: formatNumber(value), isEmphasised: OURS.has(id) },
        ]
      }),
    })).filter(({ bars }) => bars.length > 0),
  )
}
