import type { Logger } from 'pino'
import { EVENT_TYPES } from '../../../sources/sources.ts'
import { defineHandler, type Handler } from '../../define-handler.ts'
import { archiveKey, formatLine } from './archive-line.ts'
import { Archive, dayOf, type ArchiveOptions } from './archive.ts'

const REMOVE_OLD_EVERY_MS = 3_600_000

/** Keeps each event as a line of the file of the day it was received: gzipped, synced, whole whatever happens. */
export function createArchiveHandler(options: Omit<ArchiveOptions, 'log'>): Handler {
  let archive: Archive | undefined
  let removal: NodeJS.Timeout | undefined
  const open = (log?: Logger) => (archive ??= new Archive({ ...options, log }))

  return defineHandler({
    name: 'archive',
    on: EVENT_TYPES,
    breaker: { failures: 5, openFor: '30s' },
    async start({ log }) {
      const removeOld = () => open(log).removeOld()
      removal = setInterval(() => {
        removeOld().catch((error: unknown) => log.warn({ err: error }, 'old archive files not removed'))
      }, REMOVE_OLD_EVERY_MS).unref()
      await removeOld()
    },
    async handle(event, { delivery, log }) {
      const day = dayOf(delivery.receivedAt)
      await open(log).add({ day, key: archiveKey(delivery), text: formatLine(event, delivery) })
    },
    async stop() {
      clearInterval(removal)
      await archive?.close()
    },
    forget: (id) => open().forget(id),
  })
}
