import { defineConfig } from 'vitest/config'

/** Apart from `npm test`: these tests need a Docker engine, and minutes on a machine without the base images. */
export default defineConfig({
  test: {
    include: ['test/container/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
})
