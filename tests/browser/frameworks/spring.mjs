// A site on Spring Boot, compiled with what tests/setup got by Maven. Its users are whom their address says.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIBRARIES = fileURLToPath(new URL('../../.cache/spring', import.meta.url));
const POM = readFileSync(new URL('pom.xml', import.meta.url), 'utf8');
const CLASS_PATH = ['src/main/resources', 'classes', `${LIBRARIES}/*`].join(':');

const SITE = {
  'src/main/java/com/example/shop/Application.java': `package com.example.shop;

import jakarta.servlet.http.HttpServletRequest;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    UserDetailsService users() {
        return name -> User.withUsername(name).password("{noop}password").build();
    }

    @Bean
    SecurityFilterChain security(HttpSecurity http) throws Exception {
        return http.authorizeHttpRequests(all -> all.requestMatchers("/sign-in/*").permitAll().anyRequest().authenticated()).build();
    }

    @RestController
    static class SignIn {
        @GetMapping("/sign-in/{user}")
        String signIn(@PathVariable("user") String user, HttpServletRequest request) throws Exception {
            request.login(user, "password");
            return "";
        }
    }
}
`,
  'src/main/resources/schema.sql': 'create table orders (id bigint generated always as identity primary key, username varchar(100), item varchar(100));\n',
};
const PROPERTIES = 'src/main/resources/application.properties';

export const spring = {
  heading: 'Spring',
  version: `Spring Boot ${POM.match(/<version>(\d+\.\d+)/)[1]}`,
  scripts: 'src/main/resources/static',
  forged: 403,
  env: {},
  ready: /Started Application/,

  missing() {
    if (!existsSync(join(LIBRARIES, '.stamp'))) return 'tests/setup got nothing by Maven: there is no tests/.cache/spring/.stamp';
    const { stdout } = spawnSync('javac', ['-version'], { encoding: 'utf8' });
    return stdout?.match(/\d+/)?.[0] >= 17 ? false : `a JDK 17 or later is not on this machine: \`javac -version\` says ${stdout || 'nothing'}`;
  },

  async prepare({ folder, printed }) {
    const [, ...dependency] = printed['pom.xml'].split('\n');
    assert.ok(POM.includes(dependency.join('\n')), 'what is printed for pom.xml');
    delete printed['pom.xml'];
    printed[PROPERTIES] = `logging.level.root=info\n${printed[PROPERTIES]}`;
    for (const [name, content] of Object.entries(SITE)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
  },

  async build({ folder, run }) {
    const source = 'src/main/java/com/example/shop';
    const files = readdirSync(join(folder, source)).map((name) => `${source}/${name}`);
    await run('javac', ['-parameters', '-d', 'classes', '-cp', CLASS_PATH, ...files]);
  },

  command: (port) => ['java', '-cp', CLASS_PATH, 'com.example.shop.Application', '--server.address=127.0.0.1', `--server.port=${port}`],
};
