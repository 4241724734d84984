import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format } from 'prettier'
import packageJson from '../package.json' with { type: 'json' }
import { CONTENDERS } from './contenders/contenders.ts'
import { drawAcceptChart } from './report/accept-chart.ts'
import { describeResults } from './report/report.ts'
import type { Results } from './results.ts'

const CHART = 'accepted.svg'

/** Writes RESULTS.md, its chart and results.json into a folder. */
export async function writeResults(results: Results, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, CHART), drawAcceptChart(results, CONTENDERS))
  writeFileSync(join(folder, 'RESULTS.md'), await formatResults(results, CHART))
  const json = await format(JSON.stringify(results), { ...packageJson.prettier, parser: 'json' })
  writeFileSync(join(folder, 'results.json'), json)
}

/** The same text without a file. */
export async function formatResults(results: Results, chartFile?: string): Promise<string> {
  const markdown = describeResults(results, CONTENDERS, chartFile)
  return await format(markdown, { ...packageJson.prettier, parser: 'markdown' })
}
