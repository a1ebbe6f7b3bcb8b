// A page without modules: what the scripts of dist/ make global.

/// <reference types="pushnote" />

pushnote.connect<string>('/sockjs').on('message', (data) => data.trim());
