import { setFlagsFromString } from 'node:v8'

/**
 * By how many percent the heap may grow between two collections. Left to itself, what waits for Redis and is then
 * garbage fills 250 to 300 MB while a backlog is drained; so, and with a small young generation, it is 190 MB. At
 * 30 percent a quarter of the worker's time was spent collecting with 200 deliveries/s of 64 KB.
 */
const HEAP_GROWTH_PERCENT = 50

// Loaded before everything else: later the heap has grown already. An unknown flag would be a message, and no more.
setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`)
