/* SPDX-License-Identifier: MIT */
/*
 * A map's consumer that waits for its next chunk, and the pullers that run the chunks.
 *
 *     step here           stands for
 *     done, P6, tell      run(), next_chunk() and tell(), src/chunks.c
 *     want, S6, look      filchi_chunks_want() and filchi_chunks_is_done(), src/chunks.h; src/map.c
 *
 * Memory: as in park.pml; `done` and `wanted` go through buffers. Left out: failures, the claiming of runs, the
 * inside of the parker. Each puller runs one chunk.
 *
 * Property: when nothing moves any more the consumer has had every chunk (monitor).
 */
#define CHUNKS 3
#define CONSUMER CHUNKS
#define NO_CHUNK 100

chan buffer[CHUNKS + 1] = [3] of { byte };
bit done[CHUNKS];
byte wanted = NO_CHUNK, signals, n_had;

#define fence(me) empty(buffer[me])

proctype memory(byte owner)
{
    byte store;
end:
    do
    :: atomic {
           buffer[owner] ? store ->
           if
           :: owner == CONSUMER -> wanted = store
           :: else -> done[store] = 1
           fi;
           store = 0
       }
    od
}

proctype puller(byte chunk)
{
    bit tell;
#ifdef READ_BEFORE_DONE
    tell = (wanted == chunk);
    buffer[chunk] ! chunk;
    fence(chunk);
#else
    buffer[chunk] ! chunk; /* done */
#ifndef NO_FENCE_P6
    fence(chunk); /* P6 */
#endif
    tell = (wanted == chunk);
#endif
    if
    :: tell -> atomic { fence(chunk) -> signals++ }
    :: else
    fi
}

proctype consumer()
{
    byte chunk, seen;
    bit ready;
    do
    :: chunk < CHUNKS ->
#ifdef LOOK_BEFORE_WANT
       ready = done[chunk];
#endif
       buffer[CONSUMER] ! chunk; /* want */
#ifndef NO_FENCE_S6
       fence(CONSUMER); /* S6 */
#endif
       do
       :: true ->
#ifndef COUNT_AFTER_LOOK
          seen = signals;
#endif
#ifndef LOOK_BEFORE_WANT
          ready = done[chunk]; /* look */
#endif
#ifdef COUNT_AFTER_LOOK
          seen = signals;
#endif
          if
          :: ready -> break
          :: else -> signals != seen
          fi;
#ifdef LOOK_BEFORE_WANT
          ready = done[chunk]
#endif
       od;
       buffer[CONSUMER] ! NO_CHUNK;
       atomic { ready = 0; seen = 0; chunk++; n_had++ }
    :: else -> break
    od
}

proctype monitor()
{
    timeout ->
    assert(n_had == CHUNKS)
}

init
{
    byte i;
    atomic {
        do
        :: i < CHUNKS -> run puller(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i <= CHUNKS -> run memory(i); i++
        :: else -> break
        od;
        i = 0;
        run consumer();
        run monitor()
    }
}
