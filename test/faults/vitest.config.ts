import { defineConfig } from 'vitest/config'

/** Apart from `npm test`: these tests break what the service stands on, and take minutes. */
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // They wait most of the time. More at once would delay each other's deadlines.
    maxWorkers: 2,
  },
})
