// An example to start from: copy it, rename it, and put your own work into `handle`.
import { defineHandler } from 'callcov-webhook-receiver'

export default defineHandler({
  name: 'example',
  on: ['analysis.completed'],
  async handle(event, { delivery, log }) {
    const areas = Object.keys(event.results)
    log.info(
      { analysisId: event.analysisId, deliveryId: delivery.id, areas },
      'hello from handlers/example.ts',
    )
  },
})
