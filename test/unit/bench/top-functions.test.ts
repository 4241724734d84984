import { expect, it } from 'vitest'
import { functionTimes } from '../../../bench/report/top-functions.ts'

const node = (
  id: number,
  functionName: string,
  url: string,
  lineNumber: number,
  children: number[] = [],
) => ({
  id,
  callFrame: { functionName, url, lineNumber },
  children,
})
const INBOX = 'file:///srv/service/src/inbox/inbox.ts'

it('shares out the busy time among functions, and counts one that calls itself once', () => {
  const profile = {
    nodes: [
      node(1, '(root)', '', -1, [2, 3]),
      node(2, '(idle)', '', -1),
      node(3, 'accept', INBOX, 57, [4, 5]),
      node(4, 'accept', INBOX, 57),
      node(5, 'pack', '/srv/service/node_modules/msgpackr/node.cjs', 9),
    ],
    samples: [2, 3, 4, 5],
    timeDeltas: [5000, 20, 10, 10],
  }
  expect(functionTimes(profile)).toEqual([
    { name: 'accept src/inbox/inbox.ts:58', self: 0.75, total: 1 },
    { name: 'pack msgpackr/node.cjs:10', self: 0.25, total: 0.25 },
  ])
})
