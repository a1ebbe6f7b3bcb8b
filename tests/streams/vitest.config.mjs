// Runs the conformance tests of the protocol's authors; tests/node/streams.test.mjs starts it.

export default {
  test: {
    include: ['conformance.mjs'],
    reporters: ['json'],
    testTimeout: 20_000,
    watch: false,
  },
};
