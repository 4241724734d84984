import { expect, it, vi } from 'vitest'
import { shareRun } from '../../../src/admin/share-run.ts'

it('does the work once for all who ask while it is done, and again for who asks later', async () => {
  const ends = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const work = vi.fn<() => Promise<string>>()
  for (const { promise } of ends) work.mockReturnValueOnce(promise)
  const shared = shareRun(work)
  const early = [shared(), shared(), shared()]
  expect(work).toHaveBeenCalledOnce()
  ends[0]?.resolve('first')
  expect(await Promise.all(early)).toEqual(['first', 'first', 'first'])
  const late = shared()
  ends[1]?.resolve('second')
  expect(await late).toBe('second')
})

it('is not stuck with a failure', async () => {
  const shared = shareRun(
    vi.fn<() => Promise<string>>().mockRejectedValueOnce(new Error('no')).mockResolvedValueOnce('yes'),
  )
  await expect(shared()).rejects.toThrow('no')
  expect(await shared()).toBe('yes')
})
