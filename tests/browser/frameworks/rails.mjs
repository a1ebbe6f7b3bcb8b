// A site as `rails new` makes it, with users who are whom their address says.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missing } from './installed.mjs';

const VERSION = 'Rails 6.1 and Ruby 3.1';

/** What this site needs of Rails; the gem that is called so has much more. */
const GEMS = ['railties', 'activerecord', 'sqlite3', 'puma', 'jwt'];

const SITE = {
  'Gemfile': GEMS.map((gem) => `gem "${gem}"\n`).join(''),
  'config/routes.rb': `Rails.application.routes.draw do
  get "/sign-in/:id", to: "sessions#create"
  resources :orders
end
`,
  'app/models/user.rb': `class User < ApplicationRecord
end
`,
  'db/migrate/20240101000000_create_tables.rb': `class CreateTables < ActiveRecord::Migration[6.1]
  def change
    create_table(:users, &:timestamps)
    create_table :orders do |t|
      t.string :item
      t.references :user
      t.timestamps
    end
  end
end
`,
  'app/controllers/application_controller.rb': `class ApplicationController < ActionController::Base
  def current_user
    User.find(session[:user_id])
  end
  helper_method :current_user
end
`,
  'app/controllers/sessions_controller.rb': `class SessionsController < ApplicationController
  def create
    session[:user_id] = User.find_or_create_by!(id: params[:id]).id
    head :ok
  end
end
`,
};
const LAYOUT = 'app/views/layouts/application.html.erb';

export const rails = {
  heading: 'Rails',
  version: VERSION,
  scripts: 'public',
  forged: 422,
  env: {
    RAILS_ENV: 'production',
    RAILS_LOG_TO_STDOUT: '1',
    RAILS_SERVE_STATIC_FILES: '1',
    SECRET_KEY_BASE: 'of the test suites, which nobody else uses',
  },
  ready: /Listening on/,

  missing() {
    const needed = GEMS.map((gem) => `gem "${gem}"; `).join('');
    return missing(VERSION, `ruby -e '${needed}puts %x(rails --version)[/\\w+ \\d+\\.\\d+/] + " and Ruby " + RUBY_VERSION[/\\d+\\.\\d+/]'`);
  },

  async prepare({ folder, printed, run }) {
    const without = ['bundle', 'git', 'test', 'javascript', 'sprockets', 'spring', 'listen'].map((part) => `--skip-${part}`);
    await run('rails', ['new', '.', '--minimal', '--quiet', ...without]);
    mkdirSync(join(folder, 'db/migrate'));
    for (const [name, content] of Object.entries(SITE)) writeFileSync(join(folder, name), content);
    await run('bin/rails', ['db:migrate']);
    const layout = readFileSync(join(folder, LAYOUT), 'utf8');
    const [line] = Object.keys(printed).filter((name) => name.includes('javascript_include_tag'));
    writeFileSync(join(folder, LAYOUT), layout.replace(/^ *<%= stylesheet.*\n/m, '').replace('</head>', () => `${printed[line]}</head>`));
    delete printed[line];
  },

  command: (port) => ['bin/rails', 'server', '-b', '127.0.0.1', '-p', String(port)],
};
