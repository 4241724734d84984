/**
 * The sender of a drill, a process of its own: what it knows of the answers does not come from the drill, nor does
 * it share its fate.
 */
import { destroyBelongings, type BelongingsList } from './belongings.ts'
import type { DrillMessage, SenderMessage } from './messages.ts'
import { Sender } from './sender.ts'

const PROGRESS_EVERY_MS = 200

let sender: Sender | undefined
let belongings: BelongingsList | undefined

process.on('message', (message: DrillMessage) => {
  if (message.kind === 'belongings') belongings = message.list
  else if (message.kind === 'faults-over') sender?.faultsOver()
  else void run(new Sender(message.task))
})

// The drill ends this process before it goes: one that is gone had no time to, and left frozen processes perhaps.
process.once('disconnect', () => {
  // This process is one of them, and has to be the last.
  const groups = (belongings?.groups ?? []).filter((pid) => pid !== process.pid)
  destroyBelongings({ groups, folder: belongings?.folder })
  process.kill(process.pid, 'SIGKILL')
})

async function run(started: Sender): Promise<void> {
  sender = started
  const progress = setInterval(() => {
    tell({ kind: 'progress', acknowledged: started.acknowledged })
  }, PROGRESS_EVERY_MS)
  const lateMs = await started.done()
  clearInterval(progress)
  tell({ kind: 'progress', acknowledged: started.acknowledged })
  tell({ kind: 'done', lateMs })
}

function tell(message: SenderMessage): void {
  process.send?.(message)
}
