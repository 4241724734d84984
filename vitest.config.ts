import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/{unit,integration,process}/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Each file starts Redis servers and services of its own; more files at once only slow each other down.
    maxWorkers: 2,
  },
})
